#if NETWORK_DSP
static inline struct sums of_two_words(struct sums s, const uint8_t **weights, const uint8_t **columns)
{
    const uint32_t first = word(*weights);
    s = added(s, even_signed(first), odd_signed(first), columns);
    const uint32_t second = word(*weights + 4);
    *weights += 8;
    return added(s, even_signed(second), odd_signed(second), columns);
}
#endif

/* Two filters of 8 bits times four columns. A word of weights has of two numbers both filters': w v w v. */
static inline struct sums products_8(const uint8_t *w, const uint8_t *a, uint32_t length)
{
    struct sums s = {0, 0, 0, 0, 0, 0, 0, 0};
    const uint8_t *const end = w + 2u * length;
#if NETWORK_DSP
    if (length & 4u)
        s = of_two_words(s, &w, &a);
    if (length & 8u)
        s = of_two_words(of_two_words(s, &w, &a), &w, &a);
    while (w < end) {
        s = of_two_words(s, &w, &a);
        s = of_two_words(s, &w, &a);
        s = of_two_words(s, &w, &a);
        s = of_two_words(s, &w, &a);
    }
#else
    for (; w < end; w += 2)
        s = added(s, (int8_t)w[0], (int8_t)w[1], &a);
#endif
    return s;
}
