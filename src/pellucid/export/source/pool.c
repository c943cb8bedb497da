struct pool {
    uint16_t height, width, channels, out_height, out_width, kernel_height, kernel_width;
    uint16_t stride_down, stride_right, pad_top, pad_left, dilation_down, dilation_right;
    uint8_t average; /* the mean, halves upwards; else the largest */
};

/* One byte for each window, from the pixels that it covers; what hangs over the rim takes no part. */
static void pool_windows(const struct pool *of, const uint8_t *x, uint8_t *y)
{
    for (int32_t p = 0; p < of->out_height; p++) {
        for (int32_t q = 0; q < of->out_width; q++) {
            for (uint32_t k = 0; k < of->channels; k++) {
                uint32_t greatest = 0, sum = 0, count = 0;
                int32_t i = p * of->stride_down - of->pad_top;
                for (uint32_t r = 0; r < of->kernel_height; r++, i += of->dilation_down) {
                    int32_t j = q * of->stride_right - of->pad_left;
                    for (uint32_t s = 0; s < of->kernel_width; s++, j += of->dilation_right) {
                        if (i < 0 || i >= of->height || j < 0 || j >= of->width)
                            continue;
                        const uint32_t pixel = x[((uint32_t)i * of->width + (uint32_t)j) * of->channels + k];
                        greatest = pixel > greatest ? pixel : greatest;
                        sum += pixel;
                        count++;
                    }
                }
                *y++ = (uint8_t)(of->average ? (2u * sum + count) / (2u * count) : greatest);
            }
        }
    }
}
