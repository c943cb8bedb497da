/* Mean of the pixels that each window covers, halves upwards. */
static void average_pool(const struct pool *c, const uint8_t *x, uint8_t *y)
{
    for (int32_t p = 0; p < c->out_height; p++) {
        for (int32_t q = 0; q < c->out_width; q++) {
            for (uint32_t k = 0; k < c->channels; k++) {
                uint32_t sum = 0, count = 0;
                for (int32_t r = 0; r < c->kernel_height; r++) {
                    for (int32_t s = 0; s < c->kernel_width; s++) {
                        const int32_t i = p * c->stride_down - c->pad_top + r, j = q * c->stride_right - c->pad_left + s;
                        if (i < 0 || i >= c->height || j < 0 || j >= c->width)
                            continue;
                        const uint32_t at = ((uint32_t)i * c->width + (uint32_t)j) * c->channels + k;
                        sum += x[at];
                        count++;
                    }
                }
                *y++ = (uint8_t)((2 * sum + count) / (2 * count));
            }
        }
    }
}
