struct sums {
    int32_t of[PLACES]; /* a column's */
};

/* Sums of four columns' numbers, which are put into the order of the codes. */
static struct sums sums_of(const struct convolution *c, uint8_t *columns)
{
    (void)c; /* unused where all that is read of it is a constant */
    struct sums found;
    for (uint32_t i = 0; i < PLACES; i++) {
        uint32_t sum = 0;
        for (uint32_t n = 0; n < c->length; n += 16u) {
            uint8_t *const at = columns + i * COLUMN_STEP + n;
            const mve_pred16_t there = vctp8q(c->length - n);
            if (c->bits == 8u) {
                sum = vaddvaq_u8(sum, vldrbq_z_u8(at, there));
            } else {
                const uint8x16_t x = vldrbq_gather_offset_z_u8(at, order_of(c->bits), there);
                sum = vaddvaq_u8(sum, x);
                vstrbq_p_u8(at, x, there);
            }
        }
        found.of[i] = (int32_t)sum;
    }
    return found;
}

/* Two filters times two columns, a and b, as codes: of w, then of v. */
static inline void two_by_two(
    const uint8_t *w, const uint8_t *a, const uint8_t *b, uint32_t length, uint32_t bits, uint32_t *totals)
{
    uint32_t wa = 0, wb = 0, va = 0, vb = 0;
    for (uint32_t n = length / 16u; n > 0u; n--, w += 4u * bits, a += 16, b += 16) {
        const uint8x16x2_t codes = codes_of(w, bits, 16u);
        const uint8x16_t x = vldrbq_u8(a), y = vldrbq_u8(b);
        wa = vmladavaq_u8(wa, codes.val[0], x), va = vmladavaq_u8(va, codes.val[1], x);
        wb = vmladavaq_u8(wb, codes.val[0], y), vb = vmladavaq_u8(vb, codes.val[1], y);
    }
    if (bits > 2u && length % 16u > 0u) {
        const uint8x16x2_t codes = codes_of(w, bits, length % 16u);
        const mve_pred16_t there = vctp8q(length % 16u);
        const uint8x16_t x = vldrbq_z_u8(a, there), y = vldrbq_z_u8(b, there);
        wa = vmladavaq_u8(wa, codes.val[0], x), va = vmladavaq_u8(va, codes.val[1], x);
        wb = vmladavaq_u8(wb, codes.val[0], y), vb = vmladavaq_u8(vb, codes.val[1], y);
    }
    totals[0] = wa, totals[1] = wb, totals[2] = va, totals[3] = vb;
}

/* Totals of two filters at four places, without bias: first those of w, then those of v. */
APART static void products(
    const struct convolution *c, const uint8_t *w, const uint8_t *columns, const struct sums *of_columns,
    int32_t *totals)
{
    (void)c; /* unused where all that is read of it is a constant */
    for (uint32_t i = 0; i < PLACES; i += 2u, columns += 2u * COLUMN_STEP) {
        uint32_t of_codes[4] = {0, 0, 0, 0};
#if BITS_8
        if (c->bits == 8u)
            two_by_two(w, columns, columns + COLUMN_STEP, c->length, 8u, of_codes);
#endif
#if BITS_4
        if (c->bits == 4u)
            two_by_two(w, columns, columns + COLUMN_STEP, c->length, 4u, of_codes);
#endif
#if BITS_2
        if (c->bits == 2u)
            two_by_two(w, columns, columns + COLUMN_STEP, c->length, 2u, of_codes);
#endif
        for (uint32_t n = 0; n < 2u; n++) {
            totals[i + n] = of_weights(of_codes[n], of_columns->of[i + n], c->bits);
            totals[PLACES + i + n] = of_weights(of_codes[2u + n], of_columns->of[i + n], c->bits);
        }
    }
}
