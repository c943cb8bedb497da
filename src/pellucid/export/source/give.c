#if NETWORK_HELIUM
/* Upper words of products, shifted left by `by`, which is negative, as bytes. */
static inline uint32x4_t bytes_of(int32x4_t upper, int32x4_t by, const struct convolution *c)
{
    (void)c; /* unused where all that is read of it is a constant */
    const int32x4_t value = vqaddq_n_s32(vrshlq_s32(upper, by), c->out_zero);
    const int32x4_t low = vdupq_n_s32(c->low), high = vdupq_n_s32(c->high);
    return vreinterpretq_u32_s32(vminq_s32(vmaxq_s32(value, low), high));
}
#elif !NETWORK_SMALL
struct scaling {
    int32_t bias, multiplier;
    uint32_t shift;
    int32_t zero, low, high;
};

/* A total as a byte, by a shift of more than 32: the half is a multiple of 2^32, so of the product its upper word is
   enough. */
static inline uint8_t scaled_byte(int32_t total, struct scaling by)
{
    const int32_t scaled = (int32_t)floored_wide((int64_t)(total + by.bias) * by.multiplier, 32u);
    const int32_t half = (int32_t)((uint32_t)1 << (by.shift - 33u));
    return clipped(floored(scaled + half, by.shift - 32u), by.zero, by.low, by.high);
}
#endif

/* Totals of filter k, counted over all layers, at some places one behind the other, as numbers of the arena: the first
   is number `at + k`. Bytes, or words of a wide layer. */
APART static void give(const struct convolution *c, uint32_t k, uint32_t at, const int32_t *totals, uint32_t places)
{
    const int32_t bias = biases[k], multiplier = multipliers[k], zero = c->out_zero, low = c->low, high = c->high;
    const uint32_t shift = shifts[k], step = c->filters;
    const int32_t *const end = totals + places;
    (void)c; /* unused where all that is read of it is a constant */
    at += k;
#if NETWORK_HELIUM
    if (shift > 32u && !c->wide) {
        const mve_pred16_t there = vctp32q(places);
        const uint32x4_t to = vmulq_n_u32(vidupq_n_u32(0, 1), step);
        const int32x4_t upper = vmulhq_s32(
            vaddq_n_s32(vldrwq_z_s32(totals, there), bias), vdupq_n_s32(multiplier));
        vstrbq_scatter_offset_p_u32(arena + at, to, bytes_of(upper, vdupq_n_s32(32 - (int32_t)shift), c), there);
        return;
    }
#elif !NETWORK_SMALL
    if (shift > 32u && !c->wide) {
        const struct scaling by = {bias, multiplier, shift, zero, low, high};
        uint8_t *to = arena + at;
        if (places == 4u) { /* most often */
            *to = scaled_byte(totals[0], by), to += step;
            *to = scaled_byte(totals[1], by), to += step;
            *to = scaled_byte(totals[2], by), to += step;
            *to = scaled_byte(totals[3], by);
            return;
        }
        for (; totals < end; to += step)
            *to = scaled_byte(*totals++, by);
        return;
    }
#endif
    for (; totals < end; at += step) {
        const int64_t scaled = rescaled(*totals++ + bias, multiplier, shift), value = scaled + zero;
        if (c->wide)
            arena_words[at] = (uint32_t)saturated(scaled);
        else
            arena[at] = (uint8_t)(value < low ? low : value > high ? high : value);
    }
}
