struct pool {
    uint16_t height, width, channels, out_height, out_width;
    uint16_t kernel_height, kernel_width, stride_down, stride_right, pad_top, pad_left;
    uint8_t average; /* the mean, halves upwards; else the largest */
};

/* One byte for each window, from the pixels that it covers; what hangs over the rim takes no part. */
static void pool_windows(const struct pool *c, const uint8_t *x, uint8_t *y)
{
    for (int32_t p = 0; p < c->out_height; p++) {
        for (int32_t q = 0; q < c->out_width; q++) {
            for (uint32_t k = 0; k < c->channels; k++) {
                uint32_t largest = 0, sum = 0, count = 0;
                for (int32_t r = 0; r < c->kernel_height; r++) {
                    for (int32_t s = 0; s < c->kernel_width; s++) {
                        const int32_t i = p * c->stride_down - c->pad_top + r;
                        const int32_t j = q * c->stride_right - c->pad_left + s;
                        if (i < 0 || i >= c->height || j < 0 || j >= c->width)
                            continue;
                        const uint32_t pixel = x[((uint32_t)i * c->width + (uint32_t)j) * c->channels + k];
                        largest = pixel > largest ? pixel : largest;
                        sum += pixel;
                        count++;
                    }
                }
                *y++ = (uint8_t)(c->average ? (2 * sum + count) / (2 * count) : largest);
            }
        }
    }
}
