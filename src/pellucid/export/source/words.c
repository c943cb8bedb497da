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

/* Two bytes, one behind the other, as two numbers of 16 bits. */
static inline uint32_t pair(const uint8_t *p)
{
    const uint32_t both = (uint32_t)p[0] | (uint32_t)p[1] << 8;
    return __uxtb16(both | both << 8);
}

/* The lower halves of two words as one, and the upper ones. */
static inline uint32_t lower(uint32_t x, uint32_t y)
{
#if defined(__GNUC__)
    uint32_t both;
    __asm__("pkhbt %0, %1, %2, lsl #16" : "=r"(both) : "r"(x), "r"(y));
    return both;
#else
    return (x & 0xffffu) | y << 16;
#endif
}

static inline uint32_t upper(uint32_t x, uint32_t y)
{
#if defined(__GNUC__)
    uint32_t both;
    __asm__("pkhtb %0, %2, %1, asr #16" : "=r"(both) : "r"(x), "r"(y));
    return both;
#else
    return x >> 16 | (y & 0xffff0000u);
#endif
}
#endif
