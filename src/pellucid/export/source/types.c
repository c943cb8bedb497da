struct convolution {
    const uint8_t *weights;    /* filter by filter, in it row by row, pixel by pixel; packed, see products */
    const int32_t *bias;       /* one a filter, as are the next two: its factor is multiplier / 2^shift */
    const int32_t *multiplier;
    const uint8_t *shift;
    uint16_t height, width, channels;             /* of the input */
    uint16_t out_height, out_width, filters;      /* of the output, after the pool */
    uint16_t kernel_height, kernel_width;
    uint16_t stride_down, stride_right, pad_top, pad_left, dilation_down, dilation_right, groups;
    uint16_t pool;             /* side of the squares of which the largest total is taken; 1: none */
    uint32_t length;           /* of a filter and of a column: numbers, filled up to whole words of weights */
    uint8_t bits;              /* of a weight */
    uint8_t zero, out_zero;    /* what stands for 0 in the input and in the output */
    uint8_t low, high;         /* bounds of the output: low is out_zero where a ReLU is part of it */
};
