/* Sums with the products of one pair of numbers, whose codes stand lowest in either half of a word. */
static inline struct sums of_codes(struct sums s, uint32_t codes, uint32_t bits, const uint8_t **columns)
{
    const uint32_t mask = ((uint32_t)1 << bits) - 1u;
#if NETWORK_DSP
    const uint32_t both = mask | mask << 16;
    return added(s, (int32_t)(codes & both), (int32_t)(codes >> bits & both), columns);
#else
    s = added(s, (int32_t)(codes & mask), (int32_t)(codes >> bits & mask), columns);
    return added(s, (int32_t)(codes >> 16 & mask), (int32_t)(codes >> 16 >> bits & mask), columns);
#endif
}

/* As products_8, of fewer bits: a code c stands for the weight 2 c - (2^bits - 1).

   A word has in its lower half, in turn, codes of w and v for the first numbers of pairs, in its upper half those for
   the second numbers, so that one mask takes out two that belong to a pair of numbers. */
static inline struct sums products_low(const uint8_t *w, const uint8_t *a, uint32_t length, uint32_t bits)
{
    struct sums s = {0, 0, 0, 0, 0, 0, 0, 0};
    for (const uint8_t *const end = w + length * bits / 4u; w < end;) {
        const uint32_t codes = word(w);
        w += 4;
        s = of_codes(s, codes, bits, &a);
        s = of_codes(s, codes >> 2u * bits, bits, &a);
        if (bits == 2u) {
            s = of_codes(s, codes >> 8, bits, &a);
            s = of_codes(s, codes >> 12, bits, &a);
        }
    }
    return s;
}
