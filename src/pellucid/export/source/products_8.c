/* Two filters w and v of 8 bits times two columns, the second `gap` bytes behind the first. */
static inline struct sums products_8(
    const uint8_t *w, const uint8_t *v, const uint8_t *a, uint32_t gap, uint32_t length)
{
    struct sums sums = {0, 0, 0, 0};
    const uint8_t *const end = w + length;
    while (w < end) {
#if NETWORK_DSP
        const uint32_t ws = word(w), vs = word(v), as = word(a), bs = word(a + gap);
        const int32_t we = even_signed(ws), wo = odd_signed(ws), ve = even_signed(vs), vo = odd_signed(vs);
        const int32_t ae = (int32_t)even(as), ao = (int32_t)odd(as), be = (int32_t)even(bs), bo = (int32_t)odd(bs);
        sums.wa = __smlad(we, ae, sums.wa);
        sums.va = __smlad(ve, ae, sums.va);
        sums.wa = __smlad(wo, ao, sums.wa);
        sums.va = __smlad(vo, ao, sums.va);
        sums.wb = __smlad(we, be, sums.wb);
        sums.vb = __smlad(ve, be, sums.vb);
        sums.wb = __smlad(wo, bo, sums.wb);
        sums.vb = __smlad(vo, bo, sums.vb);
        w += 4, v += 4, a += 4;
#else
        const int32_t ws = (int8_t)*w++, vs = (int8_t)*v++, as = *a, bs = a[gap];
        sums.wa += ws * as;
        sums.wb += ws * bs;
        sums.va += vs * as;
        sums.vb += vs * bs;
        a++;
#endif
    }
    return sums;
}
