/* All filters at two places at a time. The output may begin before the input and grow into what is no longer read. */
static void convolve(const struct convolution *c)
{
    const uint8_t *const x = arena + c->from;
    const uint32_t places = (uint32_t)c->out_height * c->out_width, own = (uint32_t)c->filters / c->groups;
    const uint32_t depth = (uint32_t)c->channels / c->groups, bytes = (uint32_t)c->length * c->bits / 8u;
    const uint32_t count = c->groups == 1u ? 2u : 1u; /* a later group still needs what a second place overwrites */
    uint32_t here = (uint32_t)c->to - c->first;
    for (uint32_t place = 0; place < places; place += count, here += count * c->filters) {
        const uint32_t both = place + count <= places ? count - 1u : 0u;
        const uint32_t beside = here + c->filters;
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
            const uint32_t end = c->first + (g + 1u) * own;
            const uint8_t *w = c->weights + g * own * bytes;
            for (uint32_t k = end - own; k < end; k += 2u, w += 2u * bytes) {
                const uint32_t two = k + 1u < end;
                const struct sums sums = products(c, w, two ? w + bytes : w, &at, (uint32_t)sizeof columns[0]);
                for (uint32_t i = 0; i <= two; i++) {
                    give(c, k + i, here, i ? sums.va : sums.wa);
                    if (both)
                        give(c, k + i, beside, i ? sums.vb : sums.wb);
                }
            }
        }
    }
}
