/* Sums of two inputs of one size, each times its multiplier. bias: minus what stands for 0 in both, and what rounds. */
struct sum_of_two {
    int32_t bias, x_multiplier, z_multiplier;
    uint32_t count, shift;
    uint8_t zero, low, high;
};

static void add_two(const struct sum_of_two *of, const uint8_t *x, const uint8_t *z, uint8_t *y)
{
    const int32_t bias = of->bias, x_multiplier = of->x_multiplier, z_multiplier = of->z_multiplier;
    const int32_t zero = of->zero, low = of->low, high = of->high;
    const uint32_t shift = of->shift;
    const uint8_t *const end = x + of->count;
#if NETWORK_DSP
    if (low == 0 && high == 255) { /* as below, with less to compare */
        for (; x < end; x++, y++, z++)
            *y = clipped(floored(bias + *x * x_multiplier + *z * z_multiplier, shift), zero, 0, 255);
        return;
    }
#endif
    for (; x < end; x++, y++, z++)
        *y = clipped(floored(bias + *x * x_multiplier + *z * z_multiplier, shift), zero, low, high);
}
