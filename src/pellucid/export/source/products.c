/* Totals of filters k and k + 1 at two places; where k is the last one, it stands for both. */
static inline struct sums products(
    const struct convolution *c, uint32_t k, uint32_t last, const struct columns *at, uint32_t gap)
{
    const uint32_t next = k < last ? k + 1u : k, bytes = c->length * c->bits / 8u;
    const uint8_t *w = c->weights + k * bytes, *v = c->weights + next * bytes;
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
    sums.wa += c->bias[k];
    sums.wb += c->bias[k];
    sums.va += c->bias[next];
    sums.vb += c->bias[next];
    return sums;
}
