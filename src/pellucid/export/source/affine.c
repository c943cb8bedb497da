/* All filters at the one place of a window as large as the image, which is its own column. */
static void multiply_matrix(const struct convolution *c)
{
    const uint8_t *const x = arena + c->from, *w = c->weights;
    const uint32_t first = c->first, end = first + c->filters, bytes = (uint32_t)c->length * c->bits / 8u;
    struct columns at = {x, 0, 0};
#if BITS_4 || BITS_2
    at.sum_a = sum_of(x, (uint32_t)c->height * c->width * c->channels);
#endif
    for (uint32_t k = first; k < end; k += 2u, w += 2u * bytes) {
        const uint32_t two = k + 1u < end;
        const struct sums sums = products(c, w, two ? w + bytes : w, &at, 0);
        give(c, k, c->to - first, sums.wa);
        if (two)
            give(c, k + 1u, c->to - first, sums.va);
    }
}
