/* The total of filter k, counted over all layers, as number `at + k` of the arena: a byte, or a word of a wide layer. */
static inline void give(const struct convolution *c, uint32_t k, uint32_t at, int32_t total)
{
    (void)c; /* unused where all that is read of it is a constant */
    total += biases[k];
#if NETWORK_SMALL
    const uint32_t by = shifts[k];
    const int64_t scaled = floored_wide((int64_t)total * multipliers[k] + ((int64_t)1 << (by - 1u)), by);
    const int64_t value = scaled + c->out_zero;
    if (!c->wide)
        arena[at + k] = (uint8_t)(value < c->low ? c->low : value > c->high ? c->high : value);
#else
    const int32_t scaled = rescaled(total, multipliers[k], shifts[k]);
    if (!c->wide)
        arena[at + k] = clipped(scaled, c->out_zero, c->low, c->high);
#endif
    else
        arena_words[at + k] = (uint32_t)scaled;
}
