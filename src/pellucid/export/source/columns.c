/* Columns of four places lie side by side: for each number of a column four bytes, one a place; with products of two,
   for each pair of numbers four words, one a place, and in a word the first number below and the second above. */
#define PLACES 4u
#if NETWORK_DSP
#define COLUMN_BYTES 8u /* for each number of a column, at all places */
#define COLUMN_STEP 4u  /* from place to place */
#else
#define COLUMN_BYTES 4u
#define COLUMN_STEP 1u
#endif

/* Totals of two filters, w and v, at four places, a to d. */
struct sums {
    int32_t wa, wb, wc, wd, va, vb, vc, vd;
};

/* Where columns of this length lie: at the arena's end. */
static inline uint8_t *columns_of(uint32_t length)
{
    return arena + ARENA_BYTES - COLUMN_BYTES * length;
}
