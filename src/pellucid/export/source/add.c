struct operand {
    uint32_t offset;    /* in the arena */
    int32_t multiplier;
    uint32_t spread;    /* whether it has one pixel, which counts at each place */
};

/* Sums of two and more inputs, each times its multiplier. bias: minus what stands for 0 in each, and what rounds. */
struct sum {
    const struct operand *operands;
    uint32_t count, pixels, channels, shift;
    int32_t bias;
    uint8_t zero, low, high;
};

static void add(const struct sum *of, uint8_t *y, int32_t *wide)
{
    uint32_t n = 0;
    for (uint32_t pixel = 0; pixel < of->pixels; pixel++) {
        for (uint32_t k = 0; k < of->channels; k++, n++) {
            int32_t total = of->bias;
            for (uint32_t i = 0; i < of->count; i++) {
                const struct operand *const from = of->operands + i;
                total += from->multiplier * arena[from->offset + (from->spread ? k : n)];
            }
            if (y)
                y[n] = clipped(floored(total, of->shift), of->zero, of->low, of->high);
            else
                wide[n] = total;
        }
    }
}
