static inline void put(uint8_t *to, uint32_t n, uint8_t value)
{
#if NETWORK_DSP
    to += n / 2u * (2u * COLUMN_BYTES) + n % 2u * 2u;
    to[0] = value;
    to[1] = 0;
#else
    to[n * COLUMN_BYTES] = value;
#endif
}

/* Numbers of a column from the n-th on; returns what follows them. */
static uint32_t append(uint8_t *to, uint32_t n, const uint8_t *from, uint32_t count)
{
    const uint32_t end = n + count;
#if NETWORK_DSP
    if (n % 2u && n < end)
        put(to, n++, *from++);
    uint32_t *at = (uint32_t *)(void *)to + n / 2u * 4u;
    const uint8_t *const last = from + (end - n) / 8u * 8u;
    n += (end - n) / 8u * 8u;
    for (; from < last; from += 8, at += 16) {
        const uint32_t four = word(from), more = word(from + 4);
        at[0] = lower(even(four), odd(four));
        at[4] = upper(even(four), odd(four));
        at[8] = lower(even(more), odd(more));
        at[12] = upper(even(more), odd(more));
    }
    for (; n + 2u <= end; n += 2u, from += 2, at += 4)
        at[0] = pair(from);
#endif
    while (n < end)
        put(to, n++, *from++);
    return n;
}

static uint32_t fill(uint8_t *to, uint32_t n, uint8_t value, uint32_t count)
{
    for (const uint32_t end = n + count; n < end; n++)
        put(to, n, value);
    return n;
}

/* The pixels that a window sees, row by row, as one column; outside of the image stands what means 0. Its first pixel
   is at row and column, of the channels from `first` on. */
static void gather(
    const struct convolution *c, const uint8_t *x, int32_t row, int32_t column, uint32_t first, uint8_t *to)
{
    (void)c; /* unused where all that is read of it is a constant */
    const uint32_t depth = (uint32_t)c->channels / c->groups, of_a_row = c->kernel_width * depth;
    const int32_t height = c->height, width = c->width, down = c->dilation_down, right = c->dilation_right;
    const uint8_t whole = c->groups == 1u && right == 1 && column >= 0 && column + c->kernel_width <= width;
    const int32_t end = row + c->kernel_height * down;
    uint32_t n = 0;
    for (; row < end; row += down) {
        const uint8_t *const pixels = x + (uint32_t)row * (uint32_t)width * c->channels + first;
        if (row < 0 || row >= height) {
            n = fill(to, n, c->zero, of_a_row);
        } else if (whole) {
            n = append(to, n, pixels + (uint32_t)column * depth, of_a_row);
        } else {
            for (int32_t s = 0; s < c->kernel_width; s++) {
                const int32_t j = column + s * right;
                if (j < 0 || j >= width)
                    n = fill(to, n, c->zero, depth);
                else
                    n = append(to, n, pixels + (uint32_t)j * c->channels, depth);
            }
        }
    }
    (void)fill(to, n, 0, c->length - n);
}
