uint8_t *network_input(void)
{
    return arena + @INPUT@;
}

const int32_t *network_run(void)
{
@CALLS@
    return logits;
}

int32_t network_predict(const uint8_t *image)
{
    uint8_t *const input = network_input();
    for (uint32_t i = 0; i < NETWORK_IMAGE_BYTES; i++)
        input[i] = image[i];
    (void)network_run();
    return network_class(0);
}
