/* All filters at that place. */
static void multiply_matrix(const struct convolution *c)
{
    const uint8_t *const x = arena + c->from, *w = c->weights;
    const uint32_t bytes = (uint32_t)c->length * c->bits / 4u, end = (uint32_t)c->first + c->filters;
    int32_t sum = 0;
#if NETWORK_HELIUM || BITS_4 || BITS_2
    sum = sum_of(x, (uint32_t)c->height * c->width * c->channels);
#endif
    for (uint32_t k = c->first; k < end; k += 2u, w += bytes) {
        int32_t totals[2] = {0, 0};
        totals_of_two(c, w, x, sum, totals);
        for (uint32_t i = 0; i < 2u && k + i < end; i++)
            give(c, k + i, (uint32_t)c->to - c->first, totals + i, 1);
    }
}
