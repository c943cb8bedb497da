/* Matrix tiles (AMX) on any x86-64: an instruction that the processor does not know raises SIGILL, is read here, done
 * as Intel's manual says (Software Developer's Manual, volume 2), and stepped over. Shapes that do not fit end the
 * program. Preloaded; Linux's permission for the tiles is given here, too.
 *
 *     cc -O1 -shared -fPIC -o tiles.so tiles.c -ldl && LD_PRELOAD=./tiles.so python ...
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ucontext.h>

struct tiles {
    int configured;
    int rows[8], bytes[8];
    uint8_t data[8][16][64];
};

static __thread struct tiles *own __attribute__((tls_model("initial-exec")));
static long counted; /* products, of all threads */

static void fail(const char *what) {
    fprintf(stderr, "tiles.c: %s\n", what);
    abort();
}

static void check(int right, const char *what) {
    if (!right) fail(what);
}

static float wide(uint16_t bits) {
    uint32_t whole = (uint32_t)bits << 16;
    float number;
    if ((whole & 0x7f800000) == 0) whole &= 0x80000000; /* smallest numbers count as 0 */
    memcpy(&number, &whole, 4);
    return number;
}

static void configure(const uint8_t *given) {
    memset(own, 0, sizeof *own);
    check(given[0] == 1, "palette");
    for (int i = 1; i < 16; i++) check(given[i] == 0, "reserved bytes of the palette");
    for (int t = 0; t < 8; t++) {
        own->bytes[t] = given[16 + 2 * t] | given[17 + 2 * t] << 8;
        own->rows[t] = given[48 + t];
        check(own->rows[t] <= 16 && own->bytes[t] <= 64, "a tile is too large");
        check((own->rows[t] == 0) == (own->bytes[t] == 0), "a tile with rows, but without bytes, or the other way");
    }
    own->configured = 1;
}

static void there(int tile) {
    check(own->configured && own->rows[tile] > 0, "a tile that is not configured");
}

static void multiply(int sums, int left, int right, int opcode, int prefix) {
    there(sums), there(left), there(right);
    check(own->bytes[left] % 4 == 0 && own->bytes[left] / 4 == own->rows[right], "words of the two factors");
    check(own->rows[sums] == own->rows[left] && own->bytes[sums] == own->bytes[right], "shape of the sums");
    for (int m = 0; m < own->rows[sums]; m++) {
        for (int n = 0; n < own->bytes[sums] / 4; n++) {
            float even = 0, odd = 0;
            int32_t whole = 0;
            for (int k = 0; k < own->rows[right]; k++) {
                const uint8_t *x = &own->data[left][m][4 * k], *w = &own->data[right][k][4 * n];
                if (opcode == 0x5c) {
                    uint16_t a[2], b[2];
                    memcpy(a, x, 4), memcpy(b, w, 4);
                    even += wide(a[0]) * wide(b[0]), odd += wide(a[1]) * wide(b[1]);
                } else {
                    for (int i = 0; i < 4; i++) {
                        int a = prefix == 1 || prefix == 0 ? x[i] : (int8_t)x[i];
                        int b = prefix == 2 || prefix == 0 ? w[i] : (int8_t)w[i];
                        whole += a * b;
                    }
                }
            }
            uint8_t *place = &own->data[sums][m][4 * n];
            if (opcode == 0x5c) {
                float sum;
                memcpy(&sum, place, 4), sum += even + odd, memcpy(place, &sum, 4);
            } else {
                int32_t sum;
                memcpy(&sum, place, 4), sum = (int32_t)((uint32_t)sum + (uint32_t)whole), memcpy(place, &sum, 4);
            }
        }
    }
    __atomic_add_fetch(&counted, 1, __ATOMIC_RELAXED);
}

static const int REGISTERS[16] = {REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI,
                                  REG_R8,  REG_R9,  REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15};

static void illegal(int number, siginfo_t *info, void *context) {
    greg_t *registers = ((ucontext_t *)context)->uc_mcontext.gregs;
    const uint8_t *code = (const uint8_t *)registers[REG_RIP];
    (void)number, (void)info;
    /* VEX: C4, inverted R X B and the map (0F 38), W, inverted vvvv, L and prefix, opcode, ModRM */
    if (code[0] != 0xc4 || (code[1] & 31) != 2 || (code[2] & 0x84) != 0) fail("an instruction that is not one of tiles");
    int prefix = code[2] & 3, third = ~(code[2] >> 3) & 15, opcode = code[3], mode = code[4] >> 6;
    int reg = code[4] >> 3 & 7, rm = code[4] & 7, length = 5;
    uint8_t *address = NULL;
    int64_t apart = 0;
    if (own == NULL) own = calloc(1, sizeof *own);
    if (mode != 3) {
        int base = rm | (~code[1] >> 5 & 1) << 3;
        int64_t start = 0;
        if (rm == 4) {
            int sib = code[length++], index = (sib >> 3 & 7) | (~code[1] >> 6 & 1) << 3;
            base = (sib & 7) | (~code[1] >> 5 & 1) << 3;
            if (index != 4) apart = (int64_t)registers[REGISTERS[index]] << (sib >> 6);
        }
        check(!(mode == 0 && (base & 7) == 5), "an address without a register");
        start = registers[REGISTERS[base]];
        if (mode == 1) start += (int8_t)code[length], length += 1;
        if (mode == 2) {
            int32_t more;
            memcpy(&more, code + length, 4), start += more, length += 4;
        }
        address = (uint8_t *)start;
    }
    if (opcode == 0x49 && prefix == 0 && mode != 3) {
        configure(address);
    } else if (opcode == 0x49 && prefix == 0 && mode == 3) {
        own->configured = 0;
    } else if (opcode == 0x49 && prefix == 3) {
        there(reg), memset(own->data[reg], 0, sizeof own->data[reg]);
    } else if (opcode == 0x4b && prefix == 3) {
        there(reg), memset(own->data[reg], 0, sizeof own->data[reg]);
        for (int m = 0; m < own->rows[reg]; m++) memcpy(own->data[reg][m], address + m * apart, own->bytes[reg]);
    } else if (opcode == 0x4b && prefix == 2) {
        there(reg);
        for (int m = 0; m < own->rows[reg]; m++) memcpy(address + m * apart, own->data[reg][m], own->bytes[reg]);
    } else if ((opcode == 0x5c && prefix == 2) || opcode == 0x5e) {
        multiply(reg, rm, third, opcode, prefix);
    } else {
        fail("an instruction that is not one of tiles");
    }
    registers[REG_RIP] += length;
}

long tiles_counted(void) {
    return __atomic_load_n(&counted, __ATOMIC_RELAXED);
}

long syscall(long number, ...) {
    static long (*real)(long, ...);
    long given[6];
    va_list rest;
    va_start(rest, number);
    for (int i = 0; i < 6; i++) given[i] = va_arg(rest, long);
    va_end(rest);
    if (number == 158 && given[0] == 0x1023 && given[1] == 18) return 0; /* arch_prctl, the tiles' data */
    if (real == NULL) real = (long (*)(long, ...))dlsym(RTLD_NEXT, "syscall");
    return real(number, given[0], given[1], given[2], given[3], given[4], given[5]);
}

__attribute__((constructor)) static void begin(void) {
    struct sigaction action = {0};
    action.sa_sigaction = illegal;
    action.sa_flags = SA_SIGINFO | SA_NODEFER;
    sigaction(SIGILL, &action, NULL);
}
