/* All filters at the one place of a window as large as the image, which is its own column. */
static void multiply_matrix(const struct convolution *c, const uint8_t *x, uint8_t *y, int32_t *wide)
{
    struct columns at = {x, 0, 0};
#if BITS_4 || BITS_2
    at.sum_a = sum_of(x, (uint32_t)c->kernel_height * c->kernel_width * c->channels);
#endif
    const uint32_t last = (uint32_t)c->filters - 1u;
    for (uint32_t k = 0; k <= last; k += 2u) {
        const struct sums sums = products(c, k, last, &at, 0);
        give(c, k, 0, sums.wa, y, wide);
        if (k < last)
            give(c, k + 1u, 0, sums.va, y, wide);
    }
}
