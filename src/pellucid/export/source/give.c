/* The total of filter k, as number `start + k` of the output. */
static inline void give(
    const struct convolution *c, uint32_t k, uint32_t start, int32_t total, uint8_t *y, int32_t *wide)
{
    const int32_t scaled = rescaled(total, c->multiplier[k], c->shift[k]);
    if (y)
        y[start + k] = clipped(scaled, c->out_zero, c->low, c->high);
    else if (wide)
        wide[start + k] = scaled;
}
