/* Pixels as the network's input: what mean and deviation of its channel make of each of the 256 values. */
static void normalise(uint8_t *image, uint32_t bytes)
{
    for (uint32_t i = 0; i < bytes; i += NETWORK_CHANNELS)
        for (uint32_t c = 0; c < NETWORK_CHANNELS; c++)
            image[i + c] = input_tables[256 * c + image[i + c]];
}
