/* A transposed convolution: each output sums the inputs whose windows reach it. Weights have a byte each. */
static int32_t sum_of_reached(const struct convolution *c, const uint8_t *x, uint32_t k, int32_t i, int32_t j)
{
    (void)c; /* unused where all that is read of it is a constant */
    const uint32_t depth = (uint32_t)c->channels / c->groups, first = k / ((uint32_t)c->filters / c->groups) * depth;
    const uint8_t *weights = c->weights + k * c->kernel_height * c->kernel_width * depth;
    int32_t sum = 0;
    for (int32_t r = 0; r < c->kernel_height; r++) {
        const int32_t down = i - r * c->dilation_down, row = down / c->stride_down;
        for (int32_t s = 0; s < c->kernel_width; s++, weights += depth) {
            const int32_t right = j - s * c->dilation_right, column = right / c->stride_right;
            if (down < 0 || down % c->stride_down || row >= c->height)
                continue;
            if (right < 0 || right % c->stride_right || column >= c->width)
                continue;
            const uint8_t *const pixel = x + ((uint32_t)row * c->width + (uint32_t)column) * c->channels + first;
            for (uint32_t n = 0; n < depth; n++)
                sum += (int8_t)weights[n] * (pixel[n] - c->zero);
        }
    }
    return sum;
}

static void convolve_transposed(const struct convolution *c)
{
    const uint8_t *const x = arena + c->from;
    uint32_t here = (uint32_t)c->to - c->first;
    for (int32_t p = c->pad_top; p < c->pad_top + c->out_height * c->pool; p += c->pool) {
        for (int32_t q = c->pad_left; q < c->pad_left + c->out_width * c->pool; q += c->pool, here += c->filters) {
            for (uint32_t k = 0; k < c->filters; k++) {
                int32_t total = INT32_MIN;
                for (int32_t i = p; i < p + c->pool; i++) {
                    for (int32_t j = q; j < q + c->pool; j++) {
                        const int32_t sum = sum_of_reached(c, x, k, i, j);
                        total = sum > total ? sum : total;
                    }
                }
                give(c, c->first + k, here, &total, 1);
            }
        }
    }
}
