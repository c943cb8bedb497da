/* Numbers of a column from the n-th on; returns what follows them. */
static uint32_t append(uint8_t *to, uint32_t n, const uint8_t *from, uint32_t count)
{
    const uint32_t end = n + count;
    for (; n < end; n += 16u, from += 16) {
        const mve_pred16_t there = vctp8q(end - n);
        vstrbq_p_u8(to + n, vldrbq_z_u8(from, there), there);
    }
    return end;
}

static uint32_t fill(uint8_t *to, uint32_t n, uint8_t value, uint32_t count)
{
    const uint32_t end = n + count;
    for (; n < end; n += 16u)
        vstrbq_p_u8(to + n, vdupq_n_u8(value), vctp8q(end - n));
    return end;
}
