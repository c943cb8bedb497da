static inline void put(uint8_t *to, uint32_t n, uint8_t value)
{
#if NETWORK_DSP
    to += n / 2u * (2u * COLUMN_BYTES) + n % 2u * 2u;
    to[0] = value;
    to[1] = 0;
#else
    to[n * COLUMN_BYTES] = value;
#endif
}

/* Numbers of a column from the n-th on; returns what follows them. */
static uint32_t append(uint8_t *to, uint32_t n, const uint8_t *from, uint32_t count)
{
    const uint32_t end = n + count;
#if NETWORK_DSP
    if (n % 2u && n < end)
        put(to, n++, *from++);
    uint32_t *at = (uint32_t *)(void *)to + n / 2u * 4u;
    const uint8_t *const last = from + (end - n) / 8u * 8u;
    n += (end - n) / 8u * 8u;
    for (; from < last; from += 8, at += 16) {
        const uint32_t four = word(from), more = word(from + 4);
        at[0] = lower(even(four), odd(four));
        at[4] = upper(even(four), odd(four));
        at[8] = lower(even(more), odd(more));
        at[12] = upper(even(more), odd(more));
    }
    for (; n + 2u <= end; n += 2u, from += 2, at += 4)
        at[0] = pair(from);
#endif
    while (n < end)
        put(to, n++, *from++);
    return n;
}

static uint32_t fill(uint8_t *to, uint32_t n, uint8_t value, uint32_t count)
{
    for (const uint32_t end = n + count; n < end; n++)
        put(to, n, value);
    return n;
}
