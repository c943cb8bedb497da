struct pool {
    uint16_t height, width, channels, out_height, out_width, kernel_height, kernel_width;
    uint16_t stride_down, stride_right, pad_top, pad_left, dilation_down, dilation_right;
    uint8_t average; /* the mean, halves upwards; else the largest */
};

/* One byte for each window, from the pixels that it covers; what hangs over the rim takes no part. */
static void pool_windows(const struct pool *c, const uint8_t *x, uint8_t *y)
{
    for (int32_t p = 0; p < c->out_height; p++) {
        for (int32_t q = 0; q < c->out_width; q++) {
            for (uint32_t k = 0; k < c->channels; k++) {
                uint32_t greatest = 0, sum = 0, count = 0;
                int32_t i = p * c->stride_down - c->pad_top;
                for (uint32_t r = 0; r < c->kernel_height; r++, i += c->dilation_down) {
                    int32_t j = q * c->stride_right - c->pad_left;
                    for (uint32_t s = 0; s < c->kernel_width; s++, j += c->dilation_right) {
                        if (i < 0 || i >= c->height || j < 0 || j >= c->width)
                            continue;
                        const uint32_t pixel = x[((uint32_t)i * c->width + (uint32_t)j) * c->channels + k];
                        greatest = pixel > greatest ? pixel : greatest;
                        sum += pixel;
                        count++;
                    }
                }
                *y++ = (uint8_t)(c->average ? (2u * sum + count) / (2u * count) : greatest);
            }
        }
    }
}
