/* w and v: two filters; a and b: two places. */
struct sums {
    int32_t wa, wb, va, vb;
};

/* What two places see, with the sums of either, which weights of fewer bits than 8 need. */
struct columns {
    const uint8_t *a;
    int32_t sum_a, sum_b;
};
