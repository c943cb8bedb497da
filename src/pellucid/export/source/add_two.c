/* Sums of two inputs of one size, each times its multiplier. bias: minus what stands for 0 in both, and what rounds. */
struct sum_of_two {
    int32_t bias, x_multiplier, z_multiplier;
    uint32_t count, shift;
    uint8_t zero, low, high;
};

static void add_two(const struct sum_of_two *c, const uint8_t *x, const uint8_t *z, uint8_t *y)
{
    const int32_t bias = c->bias, x_multiplier = c->x_multiplier, z_multiplier = c->z_multiplier;
    const int32_t zero = c->zero, low = c->low, high = c->high;
    const uint32_t shift = c->shift;
    for (const uint8_t *const end = x + c->count; x < end; x++, y++, z++)
        *y = clipped(floored(bias + *x * x_multiplier + *z * z_multiplier, shift), zero, low, high);
}
