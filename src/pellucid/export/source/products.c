/* Totals of two filters at four places, without bias: first those of w, then those of v. of_columns: sums of columns,
   where weights have fewer bits than 8. */
APART static void products(
    const struct convolution *c, const uint8_t *w, const uint8_t *columns, const struct sums *of_columns,
    int32_t *totals)
{
    (void)c; /* unused where all that is read of it is a constant */
    (void)of_columns;
    struct sums s = {0, 0, 0, 0, 0, 0, 0, 0};
#if BITS_8
    if (c->bits == 8u)
        s = products_8(w, columns, c->length);
#endif
#if BITS_4
    if (c->bits == 4u)
        s = products_low(w, columns, c->length, 4u);
#endif
#if BITS_2
    if (c->bits == 2u)
        s = products_low(w, columns, c->length, 2u);
#endif
#if BITS_4 || BITS_2
    if (c->bits < 8u) {
        const int32_t top = ((int32_t)1 << c->bits) - 1;
        s.wa = 2 * s.wa - top * of_columns->wa, s.va = 2 * s.va - top * of_columns->wa;
        s.wb = 2 * s.wb - top * of_columns->wb, s.vb = 2 * s.vb - top * of_columns->wb;
        s.wc = 2 * s.wc - top * of_columns->wc, s.vc = 2 * s.vc - top * of_columns->wc;
        s.wd = 2 * s.wd - top * of_columns->wd, s.vd = 2 * s.vd - top * of_columns->wd;
    }
#endif
    totals[0] = s.wa, totals[1] = s.wb, totals[2] = s.wc, totals[3] = s.wd;
    totals[4] = s.va, totals[5] = s.vb, totals[6] = s.vc, totals[7] = s.vd;
}
