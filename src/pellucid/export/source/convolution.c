/* All filters at two places at a time. The output may begin before the input and grow into what is no longer read.

   Without an output: numbers of 32 bits, which are not clipped. */
static void convolve(const struct convolution *c, const uint8_t *x, uint8_t *y, int32_t *wide)
{
    const uint32_t places = (uint32_t)c->out_height * c->out_width, own = (uint32_t)c->filters / c->groups;
    const uint32_t depth = (uint32_t)c->channels / c->groups;
    const uint32_t count = c->groups == 1u ? 2u : 1u; /* a later group still needs what a second place overwrites */
    for (uint32_t place = 0; place < places; place += count) {
        const uint32_t both = place + count <= places ? count - 1u : 0u;
        for (uint32_t g = 0; g < c->groups; g++) {
            uint8_t *const a = (uint8_t *)columns[0], *const b = (uint8_t *)columns[1];
            struct columns at = {a, 0, 0};
            for (uint32_t i = 0; i <= both; i++) {
                const uint32_t p = (place + i) / c->out_width, q = (place + i) % c->out_width;
                gather(c, x, (int32_t)(p * c->stride_down) - c->pad_top, (int32_t)(q * c->stride_right) - c->pad_left,
                       g * depth, i ? b : a);
            }
#if BITS_4 || BITS_2
            at.sum_a = sum_of(at.a, c->length);
            at.sum_b = both ? sum_of(b, c->length) : 0;
#endif
            const uint32_t last = (g + 1u) * own - 1u;
            for (uint32_t k = g * own; k <= last; k += 2u) {
                const struct sums sums = products(c, k, last, &at, (uint32_t)sizeof columns[0]);
                give(c, k, place * c->filters, sums.wa, y, wide);
                if (both)
                    give(c, k, (place + 1u) * c->filters, sums.wb, y, wide);
                if (k < last) {
                    give(c, k + 1u, place * c->filters, sums.va, y, wide);
                    if (both)
                        give(c, k + 1u, (place + 1u) * c->filters, sums.vb, y, wide);
                }
            }
        }
    }
}
