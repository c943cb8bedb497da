struct pool {
    uint16_t height, width, channels, out_height, out_width;
    uint16_t kernel_height, kernel_width, stride_down, stride_right, pad_top, pad_left;
};
