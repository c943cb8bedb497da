/* Reads PGM or PPM images and says what they show: demo digit.pgm ... */
#include <stdio.h>

#include "network.h"

#define CLASS_NAMES @NAME_COUNT@
static const char *const class_names[] = {@NAMES@};

/* The next whole number of a header; # begins a comment. -1 where there is none. */
static long number(FILE *file)
{
    int c = fgetc(file);
    while (c == ' ' || c == '\t' || c == '\r' || c == '\n' || c == '#') {
        if (c == '#')
            while (c != '\n' && c != EOF)
                c = fgetc(file);
        else
            c = fgetc(file);
    }
    if (c < '0' || c > '9')
        return -1;
    long value = 0;
    for (; c >= '0' && c <= '9' && value < 1000000; c = fgetc(file))
        value = 10 * value + (c - '0');
    return value; /* one character behind the number is read, as the format wants */
}

static const char *read_image(FILE *file)
{
    const int magic = fgetc(file), kind = fgetc(file);
    if (magic != 'P' || kind != (NETWORK_CHANNELS == 3 ? '6' : '5'))
        return NETWORK_CHANNELS == 3 ? "expected a binary PPM file (P6)" : "expected a binary PGM file (P5)";
    const long width = number(file), height = number(file), white = number(file);
    if (width != NETWORK_WIDTH || height != NETWORK_HEIGHT)
        return "expected an image of @WIDTH@ x @HEIGHT@ pixels";
    if (white < 1 || white > 255)
        return "expected one byte a sample";
#if NETWORK_ROWS
    static uint8_t row[NETWORK_ROW_BYTES];
    network_begin();
#else
    uint8_t *image = network_input();
#endif
    for (long i = 0; i < (long)NETWORK_HEIGHT * NETWORK_WIDTH * NETWORK_CHANNELS; i++) {
        const int sample = fgetc(file);
        if (sample == EOF)
            return "the file ends too early";
        if (sample > white)
            return "a sample is brighter than white";
        const uint8_t byte = (uint8_t)((2 * 255 * sample + white) / (2 * white));
#if NETWORK_ROWS
        row[i % (long)NETWORK_ROW_BYTES] = byte;
        if ((i + 1) % (long)NETWORK_ROW_BYTES == 0)
            network_row(row);
#else
        image[i] = byte;
#endif
    }
    return 0;
}

int main(int count, char **paths)
{
    if (count < 2) {
        fprintf(stderr, "usage: %s image.pgm ...\n", paths[0]);
        return 2;
    }
    for (int n = 1; n < count; n++) {
        FILE *file = fopen(paths[n], "rb");
        const char *error = file ? read_image(file) : "cannot be opened";
        if (file)
            fclose(file);
        if (error) {
            fprintf(stderr, "%s: %s\n", paths[n], error);
            return 2;
        }
#if NETWORK_ROWS
        const int32_t *logits = network_finish();
#else
        const int32_t *logits = network_run();
#endif
        printf("%s: ", paths[n]);
        if (NETWORK_PLACES == 1 && NETWORK_CLASSES == CLASS_NAMES)
            printf("%s  ", class_names[network_class(0)]);
        printf("(logits");
        for (int k = 0; k < NETWORK_LOGITS; k++)
            printf(" %ld", (long)logits[k]);
        printf(")\n");
    }
    return 0;
}
