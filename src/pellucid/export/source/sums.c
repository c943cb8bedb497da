/* Sums of four columns' numbers, which weights of fewer bits than 8 need. */
static struct sums sums_of(const uint8_t *a, uint32_t length)
{
    struct sums s = {0, 0, 0, 0, 0, 0, 0, 0};
    for (const uint8_t *const end = a + COLUMN_BYTES * length; a < end;)
#if NETWORK_DSP
        s = added(s, 0x10001, 0, &a);
#else
        s = added(s, 1, 0, &a);
#endif
    return s;
}
