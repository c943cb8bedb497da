/* All filters at the one place of a window as large as the image, which is its own column. */
static void multiply_matrix(const struct convolution *c)
{
    const uint8_t *const x = arena + c->from;
    const uint32_t bytes = (uint32_t)c->length * c->bits / 4u;
    int32_t sum = 0;
    for (int32_t n = 0; n < c->height * c->width * c->channels; n++)
        sum += x[n];
    for (uint32_t k = 0; k < c->filters; k++) {
        const int32_t total = product(c, c->weights + k / 2u * bytes, k % 2u, x, sum);
        give(c, c->first + k, (uint32_t)c->to - c->first, &total, 1);
    }
}
