
const int32_t *network_finish(void)
{
@CALLS@
    return logits;
}

int32_t network_predict(const uint8_t *image)
{
    network_begin();
    for (uint32_t i = 0; i < NETWORK_IMAGE_BYTES; i += NETWORK_ROW_BYTES)
        network_row(image + i);
    (void)network_finish();
    return network_class(0);
}
