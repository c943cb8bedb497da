/* A filter for each channel. Weights have a byte each, and lie as the pixels do: pixel by pixel of the window. */
static void convolve_depthwise(const struct convolution *c)
{
    const uint8_t *const x = arena + c->from;
    const uint32_t channels = c->channels, count = (uint32_t)c->kernel_height * c->kernel_width;
    uint8_t *const frame = arena + ARENA_BYTES - channels; /* a pixel outside of the image */
    const uint32_t first = c->first;
    uint32_t here = (uint32_t)c->to - first;
    for (uint32_t k = 0; k < channels; k++)
        frame[k] = c->zero;
    for (int32_t p = 0; p < c->out_height; p++) {
        for (int32_t q = 0; q < c->out_width; q++, here += channels) {
            const uint8_t **tap = taps;
            int32_t i = p * c->stride_down - c->pad_top;
            for (uint32_t r = 0; r < c->kernel_height; r++, i += c->dilation_down) {
                int32_t j = q * c->stride_right - c->pad_left;
                for (uint32_t s = 0; s < c->kernel_width; s++, j += c->dilation_right) {
                    const uint8_t inside = i >= 0 && i < c->height && j >= 0 && j < c->width;
                    *tap++ = inside ? x + ((uint32_t)i * c->width + (uint32_t)j) * channels : frame;
                }
            }
            uint32_t k = 0;
#if NETWORK_DSP
            for (; k + 4u <= channels; k += 4u) {
                int32_t sums[4] = {0, 0, 0, 0};
                const uint8_t *weights = c->weights + k;
                for (uint32_t t = 0; t < count; t++, weights += channels) {
                    const uint32_t pixels = word(taps[t] + k), four = word(weights);
                    const int32_t xe = (int32_t)even(pixels), xo = (int32_t)odd(pixels);
                    const int32_t we = even_signed(four), wo = odd_signed(four);
                    sums[0] = __smlabb(we, xe, sums[0]);
                    sums[1] = __smlabb(wo, xo, sums[1]);
                    sums[2] = __smlatt(we, xe, sums[2]);
                    sums[3] = __smlatt(wo, xo, sums[3]);
                }
                for (uint32_t n = 0; n < 4u; n++)
                    give(c, first + k + n, here, sums + n, 1);
            }
#endif
            for (uint32_t rest = channels - k; rest > 0u; rest--, k++) {
                int32_t sum = 0;
                const uint8_t *weights = c->weights + k;
                for (uint32_t t = 0; t < count; t++, weights += channels)
                    sum += (int8_t)*weights * taps[t][k];
                give(c, first + k, here, &sum, 1);
            }
        }
    }
}
