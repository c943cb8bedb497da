/* A filter times what a place sees, of which sum_a is the sum. A word of weights has in its lower half those of bytes
   0, 1, 4, 5, 8, 9 ..., in its upper half those of bytes 2, 3, 6, 7 ... of what is seen. */
static int32_t product(const struct convolution *c, const uint8_t *w, const uint8_t *a, int32_t sum_a)
{
    (void)c; /* unused where all that is read of it is a constant */
    const uint32_t mask = ((uint32_t)1 << c->bits) - 1u;
    int32_t sum = 0;
    for (const uint8_t *const end = a + c->length; a < end; w += 4) {
        const uint32_t codes = word(w);
        for (uint32_t i = 0; i < 32u / c->bits; i++) {
            const uint32_t code = codes >> ((i & 1u) + i / 4u * 2u) * c->bits >> (i & 2u) * 8u & mask;
            sum += (c->bits == 8u ? (int8_t)code : (int32_t)code) * *a++;
        }
    }
    /* Of fewer bits than 8, a code stands for the weight 2 code - mask. */
    return c->bits == 8u ? sum : 2 * sum - (int32_t)mask * sum_a;
}
