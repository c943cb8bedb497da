static inline int32_t larger(int32_t a, int32_t b)
{
    return a > b ? a : b;
}

/* As convolve, of squares of totals the largest. */
static void convolve_pooled(const struct convolution *c, const uint8_t *x, uint8_t *y, int32_t *wide)
{
    const uint32_t own = (uint32_t)c->filters / c->groups, depth = (uint32_t)c->channels / c->groups;
    const uint32_t square = (uint32_t)c->pool * c->pool;
    uint32_t start = 0;
    for (uint32_t place = 0; place < (uint32_t)c->out_height * c->out_width; place++, start += c->filters) {
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
                const uint32_t last = (g + 1u) * own - 1u;
                for (uint32_t k = g * own; k <= last; k += 2u) {
                    const struct sums sums = products(c, k, last, &at, (uint32_t)sizeof columns[0]);
                    largest[k] = larger(largest[k], both ? larger(sums.wa, sums.wb) : sums.wa);
                    if (k < last)
                        largest[k + 1u] = larger(largest[k + 1u], both ? larger(sums.va, sums.vb) : sums.va);
                }
            }
        }
        for (uint32_t k = 0; k < c->filters; k++)
            give(c, k, start, largest[k], y, wide);
    }
}
