static inline int32_t sum_of(const uint8_t *x, uint32_t count)
{
    uint32_t sum = 0;
    for (uint32_t n = 0; n < count; n += 16u)
        sum = vaddvaq_u8(sum, vldrbq_z_u8(x + n, vctp8q(count - n)));
    return (int32_t)sum;
}

/* Two filters at the one place of a window as large as the image, which is its own column. What lies behind it isn't
   read. x's sum is `sum`. */
static inline void totals_of_two(
    const struct convolution *c, const uint8_t *w, const uint8_t *x, int32_t sum, int32_t *totals)
{
    (void)c; /* unused where all that is read of it is a constant */
    const uint32_t count = (uint32_t)c->height * c->width * c->channels;
    const uint8x16_t order = order_of(c->bits);
    uint32_t of_codes[2] = {0, 0};
    for (uint32_t n = 0; n < count; n += 16u, w += 4u * c->bits) {
        const uint32_t left = count - n < 16u ? count - n : 16u, there = c->length - n;
        const uint8x16x2_t codes = codes_of(w, c->bits, there < 16u ? there : 16u);
        const uint8x16_t pixels =
            vldrbq_gather_offset_z_u8(x + n, order, vcmphiq_u8(vdupq_n_u8((uint8_t)left), order));
        of_codes[0] = vmladavaq_u8(of_codes[0], codes.val[0], pixels);
        of_codes[1] = vmladavaq_u8(of_codes[1], codes.val[1], pixels);
    }
    for (uint32_t i = 0; i < 2u; i++)
        totals[i] = of_weights(of_codes[i], sum, c->bits);
}
