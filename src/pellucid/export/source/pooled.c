static inline int32_t largest_of(const int32_t *totals, uint32_t count)
{
    int32_t largest = totals[0];
    for (uint32_t i = 1; i < count; i++)
        largest = totals[i] > largest ? totals[i] : largest;
    return largest;
}

/* As convolve, of squares of totals the largest. Those of a square of more than four lie before the columns. */
static void convolve_pooled(const struct convolution *c)
{
    const uint8_t *const x = arena + c->from;
    uint8_t *const columns = columns_of(c->length);
    int32_t *const until_now = (int32_t *)(void *)columns - c->filters;
    const uint32_t own = (uint32_t)c->filters / c->groups, depth = (uint32_t)c->channels / c->groups;
    const uint32_t square = (uint32_t)c->pool * c->pool, bytes = (uint32_t)c->length * c->bits / 4u;
    uint32_t here = (uint32_t)c->to - c->first;
    for (uint32_t place = 0; place < (uint32_t)c->out_height * c->out_width; place++, here += c->filters) {
        const uint32_t p = place / c->out_width * c->pool, q = place % c->out_width * c->pool;
        for (uint32_t g = 0; g < c->groups; g++) {
            for (uint32_t n = 0; n < square; n += PLACES) {
                const uint32_t count = square - n < PLACES ? square - n : PLACES;
                for (uint32_t i = 0; i < count; i++) {
                    const uint32_t row = (p + (n + i) / c->pool) * c->stride_down;
                    const uint32_t column = (q + (n + i) % c->pool) * c->stride_right;
                    gather(c, x, (int32_t)row - c->pad_top, (int32_t)column - c->pad_left, g * depth,
                           columns + i * COLUMN_STEP);
                }
                struct sums of_columns = {0};
#if NETWORK_HELIUM || BITS_4 || BITS_2
                if (SUMMED)
                    of_columns = sums_of(c, columns);
#endif
                const uint8_t *w = c->weights + g * ((own + 1u) / 2u) * bytes;
                const uint32_t end = (g + 1u) * own;
                for (uint32_t k = g * own; k < end; k += 2u, w += bytes) {
                    int32_t totals[2u * PLACES];
                    products(c, w, columns, &of_columns, totals);
                    for (uint32_t i = 0; i < 2u && k + i < end; i++) {
                        int32_t largest = largest_of(totals + i * PLACES, count);
                        if (n > 0u && until_now[k + i] > largest)
                            largest = until_now[k + i];
                        if (n + PLACES < square)
                            until_now[k + i] = largest;
                        else
                            give(c, c->first + k + i, here, &largest, 1);
                    }
                }
            }
        }
    }
}
