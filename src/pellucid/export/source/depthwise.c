#if NETWORK_HELIUM
/* As give, of one place and up to eight filters, k and those behind it. */
static void give_filters(const struct convolution *c, uint32_t k, uint32_t at, const int32_t *totals, uint32_t count)
{
    for (uint32_t i = 0; i < count; i += 4u, k += 4u) {
        const mve_pred16_t there = vctp32q(count - i);
        const uint32x4_t shift = vldrbq_z_u32(shifts + k, there);
        if (c->wide || vminvq_p_u32(UINT32_MAX, shift, there) <= 32u) {
            for (uint32_t n = 0; n < 4u && i + n < count; n++)
                give(c, k + n, at, totals + i + n, 1);
            continue;
        }
        const int32x4_t bias = sizeof biases[0] == 2u ? vldrhq_z_s32((const int16_t *)(const void *)(biases + k), there)
                                                      : vldrwq_z_s32((const int32_t *)(const void *)(biases + k), there);
        const int32x4_t total = vaddq_s32(vldrwq_z_s32(totals + i, there), bias);
        const int32x4_t upper = vmulhq_s32(total, vldrwq_z_s32(multipliers + k, there));
        const int32x4_t by = vsubq_s32(vdupq_n_s32(32), vreinterpretq_s32_u32(shift));
        vstrbq_p_u32(arena + at + k, bytes_of(upper, by, c), there);
    }
}
#endif

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
#if NETWORK_HELIUM
            for (; k < channels; k += 8u) {
                const uint32_t filters = channels - k < 8u ? channels - k : 8u;
                const mve_pred16_t there = vctp16q(filters);
                int32x4x2_t sums = {{vdupq_n_s32(0), vdupq_n_s32(0)}}; /* of every other filter */
                const uint8_t *weights = c->weights + k;
                for (uint32_t t = 0; t < count; t++, weights += channels) {
                    const int16x8_t pixels = vreinterpretq_s16_u16(vldrbq_z_u16(taps[t] + k, there));
                    const int16x8_t product = vmulq_s16(pixels, vldrbq_z_s16((const int8_t *)weights, there));
                    sums.val[0] = vaddq_s32(sums.val[0], vmovlbq_s16(product));
                    sums.val[1] = vaddq_s32(sums.val[1], vmovltq_s16(product));
                }
                int32_t totals[8];
                vst2q_s32(totals, sums);
                give_filters(c, first + k, here, totals, filters);
            }
#elif NETWORK_DSP
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
#if !NETWORK_HELIUM
            for (uint32_t rest = channels - k; rest > 0u; rest--, k++) {
                int32_t sum = 0;
                const uint8_t *weights = c->weights + k;
                for (uint32_t t = 0; t < count; t++, weights += channels)
                    sum += (int8_t)*weights * taps[t][k];
                give(c, first + k, here, &sum, 1);
            }
#endif
        }
    }
}
