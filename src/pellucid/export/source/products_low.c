/* As products_8, of fewer bits: a code c stands for the weight 2 c - (2^bits - 1).

   A word holds 32 / bits codes: in its lower half those of columns' bytes 0, 1, 4, 5, 8, 9 ..., in its upper half
   those of bytes 2, 3, 6, 7 ..., so that one mask takes out two that belong to a pair of bytes. */
static inline struct sums products_low(
    const uint8_t *w, const uint8_t *v, const uint8_t *a, uint32_t gap, uint32_t length, uint32_t bits)
{
    struct sums sums = {0, 0, 0, 0};
    const uint32_t mask = ((uint32_t)1 << bits) - 1u;
    for (uint32_t n = 0; n < length; n += 32u / bits) {
        uint32_t ws = word(w), vs = word(v);
        for (uint32_t i = 0; i < 16u / bits; i += 2u) {
#if NETWORK_DSP
            const uint32_t as = word(a), bs = word(a + gap), pair = mask | mask << 16;
            const int32_t we = (int32_t)(ws & pair), wo = (int32_t)(ws >> bits & pair);
            const int32_t ve = (int32_t)(vs & pair), vo = (int32_t)(vs >> bits & pair);
            const int32_t ae = (int32_t)even(as), ao = (int32_t)odd(as);
            const int32_t be = (int32_t)even(bs), bo = (int32_t)odd(bs);
            sums.wa = __smlad(wo, ao, __smlad(we, ae, sums.wa));
            sums.wb = __smlad(wo, bo, __smlad(we, be, sums.wb));
            sums.va = __smlad(vo, ao, __smlad(ve, ae, sums.va));
            sums.vb = __smlad(vo, bo, __smlad(ve, be, sums.vb));
#else
            for (uint32_t j = 0; j < 4u; j++) {
                const uint32_t at = (j & 1u) * bits + (j >> 1) * 16u;
                const int32_t wj = (int32_t)(ws >> at & mask), vj = (int32_t)(vs >> at & mask);
                sums.wa += wj * a[j];
                sums.wb += wj * a[gap + j];
                sums.va += vj * a[j];
                sums.vb += vj * a[gap + j];
            }
#endif
            ws >>= 2u * bits;
            vs >>= 2u * bits;
            a += 4;
        }
        w += 4, v += 4;
    }
    return sums;
}

/* Sum of a column's bytes. */
static inline int32_t sum_of(const uint8_t *a, uint32_t length)
{
    uint32_t sum = 0, n = 0;
#if NETWORK_DSP
    for (; n + 4u <= length; n += 4u)
        sum = __usada8(word(a + n), 0u, sum);
#endif
    for (; n < length; n++)
        sum += a[n];
    return (int32_t)sum;
}
