struct product {
    uint32_t pixels, channels, spread; /* spread: whether the second input has one pixel, which counts at each place */
    int32_t multiplier;
    uint8_t shift, x_zero, by_zero, zero, low, high;
};

static void multiply(const struct product *c, const uint8_t *x, const uint8_t *by, uint8_t *y)
{
    uint32_t n = 0;
    for (uint32_t pixel = 0; pixel < c->pixels; pixel++) {
        for (uint32_t k = 0; k < c->channels; k++, n++) {
            const int32_t both = ((int32_t)x[n] - c->x_zero) * ((int32_t)by[c->spread ? k : n] - c->by_zero);
            y[n] = clipped(rescaled(both, c->multiplier, c->shift), c->zero, c->low, c->high);
        }
    }
}
