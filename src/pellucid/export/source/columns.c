/* Columns of four places lie side by side: for each number of a column four bytes, one a place; with products of two,
   for each pair of numbers four words, one a place, and in a word the first number below and the second above; with
   Helium one column behind the other. */
#define PLACES 4u
#if NETWORK_HELIUM
#define COLUMN_BYTES 4u          /* for each number of a column, at all places */
#define COLUMN_STEP (c->length)  /* from place to place */
#define SUMMED 1                 /* whether the sums of columns are needed, see products */
#elif NETWORK_DSP
#define COLUMN_BYTES 8u
#define COLUMN_STEP 4u
#define SUMMED (c->bits < 8u)
#else
#define COLUMN_BYTES 4u
#define COLUMN_STEP 1u
#define SUMMED (c->bits < 8u)
#endif

/* Where columns of this length lie: at the arena's end. */
static inline uint8_t *columns_of(uint32_t length)
{
    return arena + ARENA_BYTES - COLUMN_BYTES * length;
}
