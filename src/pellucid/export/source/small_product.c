/* A filter, the first or the second of two, times what a place sees, of which sum_a is the sum. A word of weights has
   in its lower half, in turn, codes of both filters for the first numbers of pairs, in its upper half for the second. */
static int32_t product(
    const struct convolution *c, const uint8_t *w, uint32_t second, const uint8_t *a, int32_t sum_a)
{
    (void)c; /* unused where all that is read of it is a constant */
    const uint32_t mask = ((uint32_t)1 << c->bits) - 1u;
    int32_t sum = 0;
    for (const uint8_t *const end = a + c->length; a < end; w += 4) {
        uint32_t codes = word(w) >> second * c->bits;
        for (uint32_t i = 0; i < 8u / c->bits; i++, codes >>= 2u * c->bits) {
            const uint32_t one = codes & mask, other = codes >> 16 & mask;
            sum += (c->bits == 8u ? (int8_t)one : (int32_t)one) * *a++;
            sum += (c->bits == 8u ? (int8_t)other : (int32_t)other) * *a++;
        }
    }
    /* Of fewer bits than 8, a code stands for the weight 2 code - mask. */
    return c->bits == 8u ? sum : 2 * sum - (int32_t)mask * sum_a;
}
