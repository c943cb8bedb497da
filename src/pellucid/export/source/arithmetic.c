/* x / 2^shift, rounded down: a right shift of a negative number is the compiler's choice. */
static inline int32_t floored(int32_t x, uint32_t shift)
{
    return x < 0 ? ~(~x >> shift) : x >> shift;
}

static inline int64_t floored_wide(int64_t x, uint32_t shift)
{
    return x < 0 ? ~(~x >> shift) : x >> shift;
}

/* total * multiplier / 2^shift, halves upwards. Beyond 32 bits, which only clipping sees, the nearest number. */
static inline int32_t rescaled(int32_t total, int32_t multiplier, uint32_t shift)
{
    const int64_t product = (int64_t)total * multiplier;
#if SMALLEST_SHIFT <= 32
    if (shift <= 32u) {
        const int64_t scaled = floored_wide(product + ((int64_t)1 << (shift - 1u)), shift);
        return (int32_t)(scaled > INT32_MAX ? INT32_MAX : scaled < -INT32_MAX ? -INT32_MAX : scaled);
    }
#endif
    /* The half is a multiple of 2^32, so of the product its upper word is enough. */
    return floored((int32_t)floored_wide(product, 32u) + (int32_t)((uint32_t)1 << (shift - 33u)), shift - 32u);
}

/* scaled + zero, between low and high. */
static inline uint8_t clipped(int32_t scaled, int32_t zero, int32_t low, int32_t high)
{
    const int32_t value = scaled < low - zero ? low : scaled > high - zero ? high : scaled + zero;
    return (uint8_t)value;
}
