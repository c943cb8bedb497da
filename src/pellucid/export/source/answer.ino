/* Answers over the serial port: send NETWORK_IMAGE_BYTES bytes, get a line; and the lamp blinks, once for class 0. */
#include <network.h>

static const char *const class_names[] = {@NAMES@};

void setup()
{
    Serial.begin(115200);
    pinMode(LED_BUILTIN, OUTPUT);
}

void loop()
{
#if NETWORK_ROWS
    static uint8_t image[NETWORK_ROW_BYTES];
    network_begin();
#else
    uint8_t *const image = network_input();
#endif
    unsigned long start = micros();
    for (uint32_t n = 0; n < NETWORK_IMAGE_BYTES;) {
        const int byte = Serial.read();
        if (byte < 0)
            continue;
        image[NETWORK_ROWS ? n % NETWORK_ROW_BYTES : n] = (uint8_t)byte;
        n++;
#if NETWORK_ROWS
        if (n % NETWORK_ROW_BYTES == 0)
            network_row(image);
#endif
    }
#if NETWORK_ROWS
    network_finish(); /* what the rows took is in the time, and what the line took */
#else
    start = micros();
    network_run();
#endif
    const unsigned long taken = micros() - start;
    const int32_t found = network_class(0);
    Serial.print(found);
    if (found < @NAME_COUNT@) {
        Serial.print(" ");
        Serial.print(class_names[found]);
    }
    Serial.print(" in microseconds: ");
    Serial.println(taken);
    for (int32_t k = 0; k <= found; k++) {
        digitalWrite(LED_BUILTIN, HIGH);
        delay(200);
        digitalWrite(LED_BUILTIN, LOW);
        delay(200);
    }
}
