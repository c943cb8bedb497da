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
