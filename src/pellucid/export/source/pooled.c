static inline int32_t larger(int32_t a, int32_t b)
{
    return a > b ? a : b;
}

/* As convolve, of squares of totals the largest. */
static void convolve_pooled(const struct convolution *c)
{
    const uint8_t *const x = arena + c->from;
    const uint32_t own = (uint32_t)c->filters / c->groups, depth = (uint32_t)c->channels / c->groups;
    const uint32_t square = (uint32_t)c->pool * c->pool, bytes = (uint32_t)c->length * c->bits / 8u;
    uint32_t here = c->to;
    for (uint32_t place = 0; place < (uint32_t)c->out_height * c->out_width; place++, here += c->filters) {
        const uint32_t p = place / c->out_width * c->pool, q = place % c->out_width * c->pool;
        for (uint32_t k = 0; k < c->filters; k++)
            largest[k] = INT32_MIN;
        for (uint32_t g = 0; g < c->groups; g++) {
            for (uint32_t n = 0; n < square; n += 2u) {
                const uint32_t both = n + 1u < square;
                uint8_t *const a = (uint8_t *)columns[0], *const b = (uint8_t *)columns[1];
                struct columns at = {a, 0, 0};
                for (uint32_t i = n; i <= n + both; i++) {
                    const uint32_t row = (p + i / c->pool) * c->stride_down;
                    const uint32_t column = (q + i % c->pool) * c->stride_right;
                    gather(c, x, (int32_t)row - c->pad_top, (int32_t)column - c->pad_left, g * depth, i == n ? a : b);
                }
#if BITS_4 || BITS_2
                at.sum_a = sum_of(at.a, c->length);
                at.sum_b = both ? sum_of(b, c->length) : 0;
#endif
                const uint32_t end = (g + 1u) * own;
                const uint8_t *w = c->weights + g * own * bytes;
                for (uint32_t k = g * own; k < end; k += 2u, w += 2u * bytes) {
                    const uint32_t two = k + 1u < end;
                    const struct sums sums = products(c, w, two ? w + bytes : w, &at, (uint32_t)sizeof columns[0]);
                    largest[k] = larger(largest[k], both ? larger(sums.wa, sums.wb) : sums.wa);
                    if (two)
                        largest[k + 1u] = larger(largest[k + 1u], both ? larger(sums.va, sums.vb) : sums.va);
                }
            }
        }
        for (uint32_t k = 0; k < c->filters; k++)
            give(c, c->first + k, here - c->first, largest[k]);
    }
}
