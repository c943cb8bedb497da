/* What a window sees, from this row and column and channel on, as one column, of which it returns the sum. */
static int32_t gather(const struct convolution *c, int32_t row, int32_t column, uint32_t first)
{
    (void)c; /* unused where all that is read of it is a constant */
    const uint32_t depth = (uint32_t)c->channels / c->groups;
    uint8_t *to = arena + ARENA_BYTES - c->length;
    int32_t sum = 0;
    for (int32_t r = 0; r < c->kernel_height; r++) {
        for (int32_t s = 0; s < c->kernel_width; s++) {
            const int32_t i = row + r * c->dilation_down, j = column + s * c->dilation_right;
            const uint8_t inside = i >= 0 && i < c->height && j >= 0 && j < c->width;
            const uint8_t *pixel = arena + c->from + ((uint32_t)i * c->width + (uint32_t)j) * c->channels + first;
            for (uint32_t n = 0; n < depth; n++) {
                *to = inside ? pixel[n] : c->zero;
                sum += *to++;
            }
        }
    }
    return sum;
}

/* One filter at one place at a time. The column lies at the arena's end, before it what a pool has found until now. */
static void convolve(const struct convolution *c)
{
    const uint32_t own = (uint32_t)c->filters / c->groups, depth = (uint32_t)c->channels / c->groups;
    const uint32_t bytes = (uint32_t)c->length * c->bits / 4u;
    const uint8_t *const seen = arena + ARENA_BYTES - c->length;
#if POOLS
    int32_t *const largest = (int32_t *)arena_words + (ARENA_BYTES - c->length) / 4u - c->filters;
#endif
    uint32_t here = (uint32_t)c->to - c->first;
    for (int32_t p = 0; p < c->out_height; p++) {
        for (int32_t q = 0; q < c->out_width; q++, here += c->filters) {
            for (uint32_t g = 0; g < c->groups; g++) {
                const uint8_t *const weights = c->weights + g * ((own + 1u) / 2u) * bytes;
                for (int32_t n = 0; n < c->pool * c->pool; n++) {
                    const int32_t row = (p * c->pool + n / c->pool) * c->stride_down - c->pad_top;
                    const int32_t column = (q * c->pool + n % c->pool) * c->stride_right - c->pad_left;
                    const int32_t sum = gather(c, row, column, g * depth);
                    for (uint32_t j = 0; j < own; j++) {
                        const uint32_t k = g * own + j;
                        int32_t total = product(c, weights + j / 2u * bytes, j % 2u, seen, sum);
#if POOLS
                        total = n > 0 && largest[k] > total ? largest[k] : total;
                        if (n + 1 < c->pool * c->pool)
                            largest[k] = total;
                        else
#endif
                            give(c, c->first + k, here, &total, 1);
                    }
                }
            }
        }
    }
}

#if POOLS
#define convolve_pooled convolve
#endif
