struct product {
    uint32_t pixels, channels, spread; /* spread: whether the second input has one pixel, which counts at each place */
    int32_t multiplier;
    uint8_t shift, x_zero, by_zero, zero, low, high;
};

static void multiply(const struct product *of, const uint8_t *x, const uint8_t *by, uint8_t *y)
{
    uint32_t n = 0;
    for (uint32_t pixel = 0; pixel < of->pixels; pixel++) {
        for (uint32_t k = 0; k < of->channels; k++, n++) {
            const int32_t both = ((int32_t)x[n] - of->x_zero) * ((int32_t)by[of->spread ? k : n] - of->by_zero);
            y[n] = clipped(saturated(rescaled(both, of->multiplier, of->shift)), of->zero, of->low, of->high);
        }
    }
}
