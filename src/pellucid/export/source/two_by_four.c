/* Totals of two filters, w and v, at four places, a to d. */
struct sums {
    int32_t wa, wb, wc, wd, va, vb, vc, vd;
};

/* Sums, with the products of w and v by what comes next in the four columns: one number, or of 16 bits two. */
static inline struct sums added(struct sums s, int32_t w, int32_t v, const uint8_t **columns)
{
#if NETWORK_DSP && defined(__GNUC__) /* as below, in no more registers than there are */
    uint32_t first, second;
    __asm__ volatile("ldrd %[first], %[second], [%[at]], #8\n\t"
            "smlad %[wa], %[w], %[first], %[wa]\n\t"
            "smlad %[va], %[v], %[first], %[va]\n\t"
            "smlad %[wb], %[w], %[second], %[wb]\n\t"
            "smlad %[vb], %[v], %[second], %[vb]\n\t"
            "ldrd %[first], %[second], [%[at]], #8\n\t"
            "smlad %[wc], %[w], %[first], %[wc]\n\t"
            "smlad %[vc], %[v], %[first], %[vc]\n\t"
            "smlad %[wd], %[w], %[second], %[wd]\n\t"
            "smlad %[vd], %[v], %[second], %[vd]"
            : [wa] "+&r"(s.wa), [wb] "+&r"(s.wb), [wc] "+&r"(s.wc), [wd] "+&r"(s.wd), [va] "+&r"(s.va),
              [vb] "+&r"(s.vb), [vc] "+&r"(s.vc), [vd] "+&r"(s.vd), [at] "+&r"(*columns), [first] "=&r"(first),
              [second] "=&r"(second)
            : [w] "r"(w), [v] "r"(v)
            : "memory");
#elif NETWORK_DSP
    const uint8_t *const at = *columns;
    const int32_t a = (int32_t)word(at), b = (int32_t)word(at + 4), c = (int32_t)word(at + 8);
    const int32_t d = (int32_t)word(at + 12);
    s.wa = __smlad(w, a, s.wa), s.va = __smlad(v, a, s.va);
    s.wb = __smlad(w, b, s.wb), s.vb = __smlad(v, b, s.vb);
    s.wc = __smlad(w, c, s.wc), s.vc = __smlad(v, c, s.vc);
    s.wd = __smlad(w, d, s.wd), s.vd = __smlad(v, d, s.vd);
    *columns += 16;
#else
    const uint8_t *const at = *columns;
    s.wa += w * at[0], s.va += v * at[0];
    s.wb += w * at[1], s.vb += v * at[1];
    s.wc += w * at[2], s.vc += v * at[2];
    s.wd += w * at[3], s.vd += v * at[3];
    *columns += 4;
#endif
    return s;
}
