/* The images of a host's file through the network on a bare RV32 core in QEMU, by semihosting (RISC-V's, version 0.2).

   images.bin: images of NETWORK_IMAGE_BYTES one behind the other. logits.bin: NETWORK_LOGITS numbers of 32 bits each.
   Its last number: instructions of the last image. */
#include "network.h"
#include <stddef.h>

void start(void);
void *memcpy(void *to, const void *from, size_t count);
void *memset(void *to, int value, size_t count);

/* What the compiler may call. */
void *memcpy(void *to, const void *from, size_t count)
{
    for (size_t i = 0; i < count; i++)
        ((volatile uint8_t *)to)[i] = ((const uint8_t *)from)[i];
    return to;
}

void *memset(void *to, int value, size_t count)
{
    for (size_t i = 0; i < count; i++)
        ((volatile uint8_t *)to)[i] = (uint8_t)value;
    return to;
}

static uint32_t ask(uint32_t operation, const void *arguments)
{
    register uint32_t a0 __asm__("a0") = operation;
    register const void *a1 __asm__("a1") = arguments;
    __asm__ volatile(".balign 16\n.option push\n.option norvc\n"
                     "slli x0, x0, 0x1f\nebreak\nsrai x0, x0, 7\n.option pop"
                     : "+r"(a0)
                     : "r"(a1)
                     : "memory");
    return a0;
}

static uint32_t opened(const char *name, uint32_t length, uint32_t mode)
{
    const uint32_t arguments[3] = {(uint32_t)name, mode, length};
    return ask(0x01u, arguments);
}

static uint32_t transfer(uint32_t operation, uint32_t file, const void *bytes, uint32_t count)
{
    const uint32_t arguments[3] = {file, (uint32_t)bytes, count};
    return ask(operation, arguments);
}

static uint32_t instructions(void)
{
    uint32_t count;
    __asm__ volatile(".option push\n.option arch, +zicsr\ncsrr %0, minstret\n.option pop" : "=r"(count));
    return count;
}

__attribute__((used)) static void work(void)
{
    uint32_t taken = 0;
    const uint32_t from = opened("images.bin", 10, 1), to = opened("logits.bin", 10, 5);
    while (transfer(0x06u, from, network_input(), NETWORK_IMAGE_BYTES) == 0u) {
        const uint32_t before = instructions();
        const int32_t *found = network_run();
        taken = instructions() - before;
        (void)transfer(0x05u, to, found, NETWORK_LOGITS * 4u);
    }
    (void)transfer(0x05u, to, &taken, 4u);
    (void)ask(0x02u, &to);
    (void)ask(0x18u, (const void *)0x20026u);
    for (;;) {
    }
}

__attribute__((naked, section(".start"))) void start(void)
{
    __asm__("la sp, stack_top\ncall work");
}
