/* Totals of two filters at two places, without bias. */
static inline struct sums products(
    const struct convolution *c, const uint8_t *w, const uint8_t *v, const struct columns *at, uint32_t gap)
{
    (void)c; /* unused where all that is read of it is a constant */
    struct sums sums = {0, 0, 0, 0};
#if BITS_8
    if (c->bits == 8u)
        sums = products_8(w, v, at->a, gap, c->length);
#endif
#if BITS_4
    if (c->bits == 4u)
        sums = products_low(w, v, at->a, gap, c->length, 4u);
#endif
#if BITS_2
    if (c->bits == 2u)
        sums = products_low(w, v, at->a, gap, c->length, 2u);
#endif
#if BITS_4 || BITS_2
    if (c->bits < 8u) {
        const int32_t top = ((int32_t)1 << c->bits) - 1;
        sums.wa = 2 * sums.wa - top * at->sum_a;
        sums.wb = 2 * sums.wb - top * at->sum_b;
        sums.va = 2 * sums.va - top * at->sum_a;
        sums.vb = 2 * sums.vb - top * at->sum_b;
    }
#endif
    return sums;
}
