/* Channels of each pixel in another order, or some of them. */
static void order_channels(
    const uint16_t *order, uint32_t pixels, uint32_t channels, uint32_t count, const uint8_t *x, uint8_t *y)
{
    for (uint32_t pixel = 0; pixel < pixels; pixel++, x += channels) {
        for (uint32_t k = 0; k < count; k++)
            *y++ = x[order[k]];
    }
}
