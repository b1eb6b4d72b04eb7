#ifndef CKERNELS_PATTERNS_H
#define CKERNELS_PATTERNS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if defined(__x86_64__)
#include <immintrin.h>
#define CK_AVX2 __attribute__((target("avx2")))
#define ck_has_avx2() __builtin_cpu_supports("avx2")
#endif

#define ck_unlikely(condition) __builtin_expect(!!(condition), 0)

/// The 8-byte pattern as it continues at byte `phase`.
static inline uint64_t ck_rotated(uint64_t pattern, uint64_t phase) {
    unsigned bits = (unsigned)(phase & 7) * 8;
    return bits == 0 ? pattern : pattern >> bits | pattern << (64 - bits);
}

static inline uint64_t ck_load64(const uint8_t *bytes) {
    uint64_t value;
    memcpy(&value, bytes, sizeof value);
    return value;
}

static inline void ck_store64(uint8_t *bytes, uint64_t value) { memcpy(bytes, &value, sizeof value); }

#endif
