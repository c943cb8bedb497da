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
    uint8_t *const image = network_input();
    for (uint32_t n = 0; n < NETWORK_IMAGE_BYTES;) {
        const int byte = Serial.read();
        if (byte >= 0)
            image[n++] = (uint8_t)byte;
    }
    const unsigned long start = micros();
    network_run();
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
