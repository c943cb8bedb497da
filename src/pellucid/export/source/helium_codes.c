/* Sixteen numbers of two filters, as codes: of fewer bits than 8 as they lie, of 8 bits 128 more than the weights. They
   come in the order that order_of says. left: numbers from here on, of which there may be fewer. */
static inline uint8x16x2_t codes_of(const uint8_t *w, uint32_t bits, uint32_t left)
{
    uint8x16x2_t codes;
    if (bits == 8u && left >= 16u) {
        codes = vld2q_u8(w);
    } else if (bits == 8u) { /* the end, which may be that of the flash */
        uint8_t end[32];
        vstrbq_u8(end, vldrbq_z_u8(w, vctp8q(2u * left)));
        vstrbq_u8(end + 16, vldrbq_z_u8(w + 16, vctp8q(left > 8u ? 2u * left - 16u : 0u)));
        codes = vld2q_u8(end);
    } else if (bits == 4u) {
        codes.val[0] = left >= 16u ? vldrbq_u8(w) : vldrbq_z_u8(w, vctp8q(left));
        codes.val[1] = vshrq_n_u8(codes.val[0], 4);
        codes.val[0] = vandq_u8(codes.val[0], vdupq_n_u8(15));
    } else { /* two words, once as they are and once four bits further on */
        uint32x4_t both = vdupq_n_u32(word(w));
        both = vsetq_lane_u32(word(w + 4), vsetq_lane_u32(word(w + 4), both, 1), 3);
        codes.val[0] = vshlq_u8(vreinterpretq_u8_u32(both), vdupq_m_n_s8(vdupq_n_s8(0), -4, 0xff00u));
        codes.val[1] = vandq_u8(vshrq_n_u8(codes.val[0], 2), vdupq_n_u8(3));
        codes.val[0] = vandq_u8(codes.val[0], vdupq_n_u8(3));
    }
    if (bits == 8u) {
        codes.val[0] = veorq_u8(codes.val[0], vdupq_n_u8(128));
        codes.val[1] = veorq_u8(codes.val[1], vdupq_n_u8(128));
    }
    return codes;
}

/* Which number of sixteen each of them is. */
static inline uint8x16_t order_of(uint32_t bits)
{
    static const uint8_t of_8[16] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
    static const uint8_t of_4[16] = {0, 2, 1, 3, 4, 6, 5, 7, 8, 10, 9, 11, 12, 14, 13, 15};
    static const uint8_t of_2[16] = {0, 4, 1, 5, 8, 12, 9, 13, 2, 6, 3, 7, 10, 14, 11, 15};
    return vldrbq_u8(bits == 8u ? of_8 : bits == 4u ? of_4 : of_2);
}

/* What a sum of codes times numbers says of the weights, from the sum of the numbers. */
static inline int32_t of_weights(uint32_t of_codes, int32_t sum, uint32_t bits)
{
    if (bits == 8u)
        return (int32_t)(of_codes - 128u * (uint32_t)sum);
    return (int32_t)(2u * of_codes - (((uint32_t)1 << bits) - 1u) * (uint32_t)sum);
}
