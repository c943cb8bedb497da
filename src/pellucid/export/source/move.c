struct move {
    uint16_t height, width, out_height, out_width, top, left; /* top, left: rows and columns before the image */
    uint32_t bytes;                                           /* of a pixel */
};

/* An image cropped, or with its outermost rows and columns repeated. */
static void move_pixels(const struct move *of, const uint8_t *x, uint8_t *y)
{
    for (int32_t p = 0; p < of->out_height; p++) {
        const int32_t i = p < of->top ? 0 : p - of->top < of->height ? p - of->top : of->height - 1;
        for (int32_t q = 0; q < of->out_width; q++) {
            const int32_t j = q < of->left ? 0 : q - of->left < of->width ? q - of->left : of->width - 1;
            const uint8_t *const pixel = x + ((uint32_t)i * of->width + (uint32_t)j) * of->bytes;
            for (uint32_t n = 0; n < of->bytes; n++)
                *y++ = pixel[n];
        }
    }
}
