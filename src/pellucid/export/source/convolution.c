/* total * multiplier / 2^shift, halves upwards; a right shift of a negative number is the compiler's choice. */
static int64_t rescaled(int32_t total, int32_t multiplier, unsigned shift)
{
    int64_t scaled = (int64_t)total * multiplier + ((int64_t)1 << (shift - 1));
    return scaled < 0 ? ~(~scaled >> shift) : scaled >> shift;
}

/* One filter at one place: row and column are those of the window's first pixel, which may lie outside. */
static int32_t sum_of_window(const struct convolution *c, const uint8_t *x, uint32_t k, int32_t row, int32_t column)
{
    const uint32_t depth = c->channels / c->groups;
    const uint32_t first = k / (c->filters / c->groups) * depth;
    uint32_t w = k * c->kernel_height * c->kernel_width * depth;
    int32_t sum = c->bias[k];
    for (int32_t r = 0; r < c->kernel_height; r++) {
        for (int32_t s = 0; s < c->kernel_width; s++) {
            const int32_t i = row + r * c->dilation_down, j = column + s * c->dilation_right;
            const uint8_t *pixel = 0;
            if (i >= 0 && i < c->height && j >= 0 && j < c->width)
                pixel = x + ((uint32_t)i * c->width + (uint32_t)j) * c->channels + first;
            for (uint32_t n = 0; n < depth; n++)
                sum += weight(c, w++) * (pixel ? pixel[n] : c->zero);
        }
    }
    return sum;
}

/* The output may begin before the input and grow into what is no longer read. Without an output: logits. */
static void convolve(const struct convolution *c, const uint8_t *x, uint8_t *y)
{
    uint32_t place = 0;
    for (int32_t p = 0; p < c->out_height * c->pool; p += c->pool) {
        for (int32_t q = 0; q < c->out_width * c->pool; q += c->pool) {
            for (uint32_t k = 0; k < c->filters; k++, place++) {
                int32_t largest = INT32_MIN;
                for (int32_t i = p; i < p + c->pool; i++) {
                    for (int32_t j = q; j < q + c->pool; j++) {
                        const int32_t sum = sum_of_window(
                            c, x, k, i * c->stride_down - c->pad_top, j * c->stride_right - c->pad_left);
                        largest = sum > largest ? sum : largest;
                    }
                }
                const int64_t scaled = rescaled(largest, c->multiplier[k], c->shift[k]);
                if (y) {
                    const int64_t value = scaled + c->out_zero;
                    y[place] = (uint8_t)(value < c->low ? c->low : value > 255 ? 255 : value);
                } else {
                    logits[place] = (int32_t)scaled;
                }
            }
        }
    }
}
