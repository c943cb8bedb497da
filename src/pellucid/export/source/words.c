/* Four bytes as one number, the first in its lowest bits. */
static inline uint32_t word(const uint8_t *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

#if NETWORK_DSP
/* Bytes 0 and 2 of a word, and bytes 1 and 3, as two numbers of 16 bits each: without sign, and with it. */
static inline uint32_t even(uint32_t x)
{
    return __uxtb16(x);
}

static inline int32_t even_signed(uint32_t x)
{
    return (int32_t)__sxtb16((int32_t)x);
}

static inline uint32_t odd(uint32_t x)
{
#if defined(__GNUC__) /* the instruction turns as it extends, which the intrinsic can't say */
    uint32_t y;
    __asm__("uxtb16 %0, %1, ror #8" : "=r"(y) : "r"(x));
    return y;
#else
    return __uxtb16(x >> 8);
#endif
}

static inline int32_t odd_signed(uint32_t x)
{
#if defined(__GNUC__)
    int32_t y;
    __asm__("sxtb16 %0, %1, ror #8" : "=r"(y) : "r"(x));
    return y;
#else
    return (int32_t)__sxtb16((int32_t)(x >> 8));
#endif
}
#endif
