/* An image as features: channel by channel. */
static void flatten(uint32_t channels, uint32_t pixels, const uint8_t *x, uint8_t *y)
{
    for (uint32_t k = 0; k < channels; k++) {
        for (uint32_t pixel = 0; pixel < pixels; pixel++)
            *y++ = x[pixel * channels + k];
    }
}
