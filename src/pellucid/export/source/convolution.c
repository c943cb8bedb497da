/* All filters at four places at a time. The output may begin before the input and grow into what is no longer read. */
static void convolve(const struct convolution *c)
{
    const uint8_t *const x = arena + c->from;
    uint8_t *const columns = columns_of(c->length);
    const uint32_t places = (uint32_t)c->out_height * c->out_width, own = (uint32_t)c->filters / c->groups;
    const uint32_t depth = (uint32_t)c->channels / c->groups, bytes = (uint32_t)c->length * c->bits / 4u;
    uint32_t here = (uint32_t)c->to - c->first;
    for (uint32_t place = 0; place < places; place += PLACES, here += PLACES * c->filters) {
        const uint32_t count = places - place < PLACES ? places - place : PLACES;
        const uint8_t *w = c->weights;
        for (uint32_t g = 0; g < c->groups; g++) {
            for (uint32_t i = 0; i < count; i++) {
                const uint32_t p = (place + i) / c->out_width, q = (place + i) % c->out_width;
                gather(c, x, (int32_t)(p * c->stride_down) - c->pad_top, (int32_t)(q * c->stride_right) - c->pad_left,
                       g * depth, columns + i * COLUMN_STEP);
            }
            struct sums of_columns = {0};
#if NETWORK_HELIUM || BITS_4 || BITS_2
            if (SUMMED)
                of_columns = sums_of(c, columns);
#endif
            const uint32_t end = c->first + (g + 1u) * own;
            for (uint32_t k = end - own; k < end; k += 2u, w += bytes) {
                int32_t totals[2u * PLACES];
                products(c, w, columns, &of_columns, totals);
                give(c, k, here, totals, count);
                if (k + 1u < end)
                    give(c, k + 1u, here, totals + PLACES, count);
            }
        }
    }
}
