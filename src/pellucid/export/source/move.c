struct move {
    uint16_t height, width, out_height, out_width, top, left; /* top, left: rows and columns before the image */
    uint32_t bytes;                                           /* of a pixel */
};

/* An image cropped, or with its outermost rows and columns repeated. */
static void move_pixels(const struct move *c, const uint8_t *x, uint8_t *y)
{
    for (int32_t p = 0; p < c->out_height; p++) {
        const int32_t i = p < c->top ? 0 : p - c->top < c->height ? p - c->top : c->height - 1;
        for (int32_t q = 0; q < c->out_width; q++) {
            const int32_t j = q < c->left ? 0 : q - c->left < c->width ? q - c->left : c->width - 1;
            const uint8_t *const pixel = x + ((uint32_t)i * c->width + (uint32_t)j) * c->bytes;
            for (uint32_t n = 0; n < c->bytes; n++)
                *y++ = pixel[n];
        }
    }
}
