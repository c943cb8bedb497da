/* The images of images.bin through a network, whole or row by row, its logits to logits.bin: as bench.c, on this machine. */
#include "network.h"
#include <stdio.h>

static uint8_t image[NETWORK_IMAGE_BYTES];

static const int32_t *answer(void)
{
#if NETWORK_ROWS
    network_begin();
    for (uint32_t i = 0; i < NETWORK_IMAGE_BYTES; i += NETWORK_ROW_BYTES)
        network_row(image + i);
    return network_finish();
#else
    for (uint32_t i = 0; i < NETWORK_IMAGE_BYTES; i++)
        network_input()[i] = image[i];
    return network_run();
#endif
}

int main(void)
{
    FILE *const from = fopen("images.bin", "rb"), *const to = fopen("logits.bin", "wb");
    if (from == NULL || to == NULL)
        return 2;
    while (fread(image, 1, sizeof image, from) == sizeof image)
        if (fwrite(answer(), 4, NETWORK_LOGITS, to) != NETWORK_LOGITS)
            return 2;
    return fclose(from) != 0 || fclose(to) != 0;
}
