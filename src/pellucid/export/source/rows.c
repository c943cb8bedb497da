/* The first layers work line by line: of what each sees, only the rows that a line of it needs are there. */
struct line {
    uint32_t from, bytes;                       /* where these rows lie, and bytes of one */
    uint32_t to, out_bytes;                     /* of the last such layer: where its output lies; bytes of a row */
    uint16_t height, out_height, rows;          /* rows of the image, of the output, and of what a line needs */
    uint16_t step, before;                      /* rows from line to line; rows of the frame before the image */
};

static const struct line lines[@LINES@] = {
@LINE_ROWS@
};

/* Of each layer: number of the first row that is there, how many there are, and which line comes next. */
static struct {
    uint16_t first, held, next;
} lines_now[@LINES@];

/* One line of layer n from the `held` rows that are there, before which `before` rows of the frame belong to it. */
static void compute_line(uint32_t n, uint32_t to, uint16_t held, uint16_t before)
{
    const uint8_t *const x = arena + lines[n].from;
    (void)x;
    switch (n) {
@LINE_CASES@
    default:
        break;
    }
}

/* Whether what the next line of layer n needs is there. */
static uint8_t is_ready(uint32_t n)
{
    const int32_t last = lines_now[n].next * lines[n].step - lines[n].before + lines[n].rows - 1;
    const int32_t needed = last < lines[n].height ? last : lines[n].height - 1;
    return lines_now[n].next < lines[n].out_height && needed < lines_now[n].first + lines_now[n].held;
}

/* Move what the next line of layer n needs to the front. */
static void drop_rows(uint32_t n)
{
    uint8_t *const rows = arena + lines[n].from;
    const int32_t spent = lines_now[n].next * lines[n].step - lines[n].before - lines_now[n].first;
    const uint16_t count = (uint16_t)(spent < 0 ? 0 : spent < lines_now[n].held ? spent : lines_now[n].held);
    if (count == 0u)
        return;
    lines_now[n].first = (uint16_t)(lines_now[n].first + count);
    lines_now[n].held = (uint16_t)(lines_now[n].held - count);
    for (uint32_t i = 0; i < lines_now[n].held * lines[n].bytes; i++)
        rows[i] = rows[i + count * lines[n].bytes];
}

static void add_row(uint32_t n)
{
    lines_now[n].held++;
    drop_rows(n);
}

/* The next line of layer n; returns which layer comes next. */
static uint32_t give_line(uint32_t n)
{
    const uint8_t last = n + 1u >= @LINES@u;
    const int32_t top = lines_now[n].first - lines_now[n].next * lines[n].step + lines[n].before;
    const uint32_t place = last ? lines[n].to + lines_now[n].next * lines[n].out_bytes
                                : lines[n + 1u].from + lines_now[n + 1u].held * lines[n + 1u].bytes;
    compute_line(n, place, lines_now[n].held, (uint16_t)top);
    lines_now[n].next++;
    drop_rows(n);
    if (last)
        return n;
    add_row(n + 1u);
    return n + 1u;
}

void network_begin(void)
{
    for (uint32_t n = 0; n < @LINES@u; n++) {
        lines_now[n].first = 0;
        lines_now[n].held = 0;
        lines_now[n].next = 0;
    }
}

void network_row(const uint8_t *row)
{
    uint8_t *const to = arena + lines[0].from + lines_now[0].held * lines[0].bytes;
    if (lines_now[0].first + lines_now[0].held >= NETWORK_HEIGHT)
        return;
    for (uint32_t i = 0; i < NETWORK_ROW_BYTES; i++)
        to[i] = row[i];@NORMALISED@
    add_row(0);
    /* The last layer that can goes first, so that no more rows than one needs are kept; the first, when none can, ends. */
    for (uint32_t n = 0; n < @LINES@u;) {
        if (is_ready(n))
            n = give_line(n);
        else
            n = n > 0u ? n - 1u : @LINES@u;
    }
}
