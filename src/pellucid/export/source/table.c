/* A function of each byte by itself, from its 256 results. */
static void look_up(const uint8_t *table, uint32_t count, const uint8_t *x, uint8_t *y)
{
    for (uint32_t i = 0; i < count; i++)
        y[i] = table[x[i]];
}
