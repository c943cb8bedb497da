/* x / 2^shift, rounded down: a right shift of a negative number is the compiler's choice. */
static inline int32_t floored(int32_t x, uint32_t shift)
{
    return x < 0 ? ~(~x >> shift) : x >> shift;
}

static inline int64_t floored_wide(int64_t x, uint32_t shift)
{
    return x < 0 ? ~(~x >> shift) : x >> shift;
}

/* total * multiplier / 2^shift, halves upwards. */
static inline int64_t rescaled(int32_t total, int32_t multiplier, uint32_t shift)
{
    return floored_wide(floored_wide((int64_t)total * multiplier, shift - 1u) + 1, 1u);
}

/* The nearest number of 32 bits. */
static inline int32_t saturated(int64_t x)
{
    return (int32_t)(x > INT32_MAX ? INT32_MAX : x < -INT32_MAX ? -INT32_MAX : x);
}

/* scaled + zero, between low and high. */
static inline uint8_t clipped(int32_t scaled, int32_t zero, int32_t low, int32_t high)
{
#if NETWORK_DSP
    const uint32_t byte = __usat(__qadd(scaled, zero), 8), value = byte < (uint32_t)low ? (uint32_t)low : byte;
    return (uint8_t)(high < 255 && value > (uint32_t)high ? (uint32_t)high : value);
#else
    const int32_t value = scaled < low - zero ? low : scaled > high - zero ? high : scaled + zero;
    return (uint8_t)value;
#endif
}
