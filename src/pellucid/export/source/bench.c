/* Runs images of a host's file on a bare Cortex-M and writes the logits to another: for QEMU, or a debugger.

   images.bin: images of NETWORK_IMAGE_BYTES one behind the other. logits.bin: NETWORK_LOGITS numbers of 32 bits each.
   Printed: images, instructions or cycles of the last one (SysTick's ticks), bytes of stack that the network used. */
#include "network.h"

#define OPEN 0x01u
#define CLOSE 0x02u
#define WRITE_TEXT 0x04u
#define WRITE 0x05u
#define READ 0x06u
#define EXIT 0x18u

#define READ_BINARY 1u
#define WRITE_BINARY 5u

#define SYSTICK ((volatile uint32_t *)0xE000E010u)
#define ACCESS ((volatile uint32_t *)0xE000ED88u)
#define TICKS 0xFFFFFFu
#define PAINT 0xA5A5A5A5u

extern uint32_t stack_limit[], data_start[], data_end[], data_source[], bss_start[], bss_end[];

#if NETWORK_ROWS
static uint8_t image[NETWORK_IMAGE_BYTES]; /* of the program that measures, not of the network */

static uint8_t *network_input(void)
{
    return image;
}

static const int32_t *network_run(void)
{
    network_begin();
    for (uint32_t i = 0; i < NETWORK_IMAGE_BYTES; i += NETWORK_ROW_BYTES)
        network_row(image + i);
    return network_finish();
}
#endif

int main(void);
void reset(void);
void fault(void);

/* Semihosting (ARM's specification, version 2): a breakpoint that the debugger or the emulator answers. */
static uint32_t ask(uint32_t operation, const void *arguments)
{
    register uint32_t r0 __asm__("r0") = operation;
    register const void *r1 __asm__("r1") = arguments;
    __asm__ volatile("bkpt 0xab" : "+r"(r0) : "r"(r1) : "memory");
    return r0;
}

static uint32_t open(const char *name, uint32_t length, uint32_t mode)
{
    const uint32_t arguments[3] = {(uint32_t)name, mode, length};
    return ask(OPEN, arguments);
}

/* How many bytes were not transferred. */
static uint32_t transfer(uint32_t operation, uint32_t file, const void *bytes, uint32_t count)
{
    const uint32_t arguments[3] = {file, (uint32_t)bytes, count};
    return ask(operation, arguments);
}

static void print_number(const char *title, uint32_t value)
{
    char text[12];
    uint32_t at = sizeof text - 1u;
    text[at] = '\0';
    do {
        at--;
        text[at] = (char)('0' + value % 10u);
        value /= 10u;
    } while (value > 0u);
    (void)ask(WRITE_TEXT, title);
    (void)ask(WRITE_TEXT, text + at);
    (void)ask(WRITE_TEXT, "\n");
}

static uint32_t *stack_pointer(void)
{
    uint32_t *pointer;
    __asm__ volatile("mov %0, sp" : "=r"(pointer));
    return pointer;
}

/* Runs the network; returns the bytes of stack below this frame that it used. */
static uint32_t stack_of_run(uint32_t *ticks, const int32_t **found)
{
    uint32_t *const here = stack_pointer();
    for (volatile uint32_t *word = stack_limit; word < here; word++)
        *word = PAINT;
    SYSTICK[1] = TICKS;
    SYSTICK[2] = 0;
    SYSTICK[0] = 5;
    const uint32_t start = SYSTICK[2];
    *found = network_run();
    *ticks = (start - SYSTICK[2]) & TICKS;
    const uint32_t *lowest = stack_limit;
    while (lowest < here && *lowest == PAINT)
        lowest++;
    return (uint32_t)(here - lowest) * 4u;
}

int main(void)
{
    uint32_t images = 0, ticks = 0, stack = 0;
    const uint32_t from = open("images.bin", 10, READ_BINARY), to = open("logits.bin", 10, WRITE_BINARY);
    while (transfer(READ, from, network_input(), NETWORK_IMAGE_BYTES) == 0u) {
        const int32_t *found;
        stack = stack_of_run(&ticks, &found);
        (void)transfer(WRITE, to, found, NETWORK_LOGITS * 4u);
        images++;
    }
    print_number("images ", images);
    print_number("ticks ", ticks);
    print_number("stack ", stack);
    (void)ask(CLOSE, &to);
    return 0;
}

void fault(void)
{
    (void)ask(WRITE_TEXT, "fault\n");
    (void)ask(EXIT, (const void *)0x20023u);
    for (;;) {
    }
}

/* By itself, so that nothing of it comes before the vector unit is there. */
__attribute__((noinline)) static void begin(void)
{
    /* The linker's symbols are objects of their own to C, so their addresses are subtracted as numbers. */
    const uint32_t copied = ((uint32_t)data_end - (uint32_t)data_start) / 4u;
    const uint32_t cleared = ((uint32_t)bss_end - (uint32_t)bss_start) / 4u;
    for (uint32_t i = 0; i < copied; i++)
        data_start[i] = data_source[i];
    for (uint32_t i = 0; i < cleared; i++)
        bss_start[i] = 0;
    (void)main();
    (void)ask(EXIT, (const void *)0x20026u);
    for (;;) {
    }
}

void reset(void)
{
#ifdef __ARM_FEATURE_MVE
    *ACCESS |= 0xFu << 20; /* coprocessors 10 and 11: full access */
    __asm__ volatile("dsb\n\tisb");
#endif
    begin();
}

typedef void (*vector)(void);
/* Behind the stack's top, which the linker puts first. */
__attribute__((section(".vectors"), used)) static const vector vectors[15] = {
    reset, fault, fault, fault, fault, fault, 0, 0, 0, 0, fault, fault, 0, fault, fault};
