static uint8_t *append(uint8_t *to, const uint8_t *from, uint32_t count)
{
    uint8_t *const end = to + count;
#if NETWORK_DSP && defined(__GNUC__) /* four bytes at a time, wherever they lie */
    for (; to + 4 <= end; to += 4, from += 4)
        __builtin_memcpy(to, from, 4);
#endif
    while (to < end)
        *to++ = *from++;
    return to;
}

static uint8_t *fill(uint8_t *to, uint8_t value, uint32_t count)
{
    uint8_t *const end = to + count;
    while (to < end)
        *to++ = value;
    return to;
}

/* The pixels that a window sees, row by row, as one column; outside of the image stands what means 0. Its first pixel
   is at row and column, of the channels from `first` on. */
static void gather(
    const struct convolution *c, const uint8_t *x, int32_t row, int32_t column, uint32_t first, uint8_t *to)
{
    (void)c; /* unused where all that is read of it is a constant */
    const uint32_t depth = (uint32_t)c->channels / c->groups;
    uint8_t *const end = to + c->length;
    const uint8_t whole = c->groups == 1u && c->dilation_right == 1u && column >= 0
        && column + c->kernel_width <= c->width;
    for (int32_t r = 0; r < c->kernel_height; r++, row += c->dilation_down) {
        const uint8_t *const pixels = x + (uint32_t)row * c->width * c->channels + first;
        if (row < 0 || row >= c->height) {
            to = fill(to, c->zero, c->kernel_width * depth);
        } else if (whole) {
            to = append(to, pixels + (uint32_t)column * depth, c->kernel_width * depth);
        } else {
            for (int32_t s = 0; s < c->kernel_width; s++) {
                const int32_t j = column + s * c->dilation_right;
                if (j < 0 || j >= c->width)
                    to = fill(to, c->zero, depth);
                else
                    to = append(to, pixels + (uint32_t)j * c->channels, depth);
            }
        }
    }
    (void)fill(to, 0, (uint32_t)(end - to));
}
