static inline int32_t sum_of(const uint8_t *x, uint32_t count)
{
    int32_t sum = 0;
    for (uint32_t n = 0; n < count; n++)
        sum += x[n];
    return sum;
}

/* Two filters at the one place of a window as large as the image, which is its own column, of the sum `sum`. Words of
   weights: see products_8 and products_low. */
static inline void totals_of_two(
    const struct convolution *c, const uint8_t *w, const uint8_t *x, int32_t sum, int32_t *totals)
{
    (void)c; /* unused where all that is read of it is a constant */
    const uint32_t mask = ((uint32_t)1 << c->bits) - 1u;
    for (const uint8_t *const end = x + c->length; x < end; w += 4) {
        uint32_t codes = word(w);
        for (uint32_t i = 0; i < 8u / c->bits; i++, codes >>= 2u * c->bits, x += 2) {
#if NETWORK_DSP
            const uint32_t both = mask | mask << 16;
            const int32_t w_two = c->bits == 8u ? even_signed(codes) : (int32_t)(codes & both);
            const int32_t v_two = c->bits == 8u ? odd_signed(codes) : (int32_t)(codes >> c->bits & both);
            totals[0] = __smlad(w_two, (int32_t)pair(x), totals[0]);
            totals[1] = __smlad(v_two, (int32_t)pair(x), totals[1]);
#else
            for (uint32_t filter = 0; filter < 2u; filter++) {
                const uint32_t one = codes >> filter * c->bits & mask, other = codes >> 16 >> filter * c->bits & mask;
                totals[filter] += (c->bits == 8u ? (int8_t)one : (int32_t)one) * x[0];
                totals[filter] += (c->bits == 8u ? (int8_t)other : (int32_t)other) * x[1];
            }
#endif
        }
    }
    for (uint32_t i = 0; i < 2u && c->bits < 8u; i++)
        totals[i] = 2 * totals[i] - (int32_t)mask * sum;
}
