/* Some channels of each pixel, from an image that has only those; where there is a table, each by its table. */
static void place_channels(
    const uint8_t *table, uint32_t pixels, uint32_t channels, uint32_t all, const uint8_t *x, uint8_t *y)
{
    for (uint32_t pixel = 0; pixel < pixels; pixel++, y += all) {
        for (uint32_t k = 0; k < channels; k++, x++)
            y[k] = table ? table[*x] : *x;
    }
}
