#ifndef CKERNELS_COPYING_H
#define CKERNELS_COPYING_H

#include "patterns.h"

#if defined(__x86_64__)

#define CK_LOAD(bytes) _mm256_loadu_si256((const __m256i *)(const void *)(bytes))
#define CK_STORE(bytes, value) _mm256_storeu_si256((__m256i *)(void *)(bytes), value)

enum {
    /// From so many bytes on `ck_copy_avx2` is the faster way.
    ck_copy_avx2_byte_count_min = 256,
};

/// Copies ranges that do not overlap, in ascending order, with whole vectors to a destination that it aligns.
///
/// memcpy goes over to `rep movsb`, which on processors of AMD's third generation takes twenty times as long when the
/// destination lies a few bytes above the source modulo 4096; and for a page it is no faster than this otherwise.
///
/// - Precondition: at least ``ck_copy_avx2_byte_count_min`` bytes.
CK_AVX2 static inline void ck_copy_avx2(uint8_t *destination, const uint8_t *source, size_t byte_count) {
    CK_STORE(destination, CK_LOAD(source));
    size_t offset = 32 - ((uintptr_t)destination & 31);
    for (; offset + 128 <= byte_count; offset += 128) {
        __m256i v0 = CK_LOAD(source + offset), v1 = CK_LOAD(source + offset + 32);
        __m256i v2 = CK_LOAD(source + offset + 64), v3 = CK_LOAD(source + offset + 96);
        CK_STORE(destination + offset, v0);
        CK_STORE(destination + offset + 32, v1);
        CK_STORE(destination + offset + 64, v2);
        CK_STORE(destination + offset + 96, v3);
    }
    offset = byte_count - 128;
    __m256i v0 = CK_LOAD(source + offset), v1 = CK_LOAD(source + offset + 32);
    __m256i v2 = CK_LOAD(source + offset + 64), v3 = CK_LOAD(source + offset + 96);
    CK_STORE(destination + offset, v0);
    CK_STORE(destination + offset + 32, v1);
    CK_STORE(destination + offset + 64, v2);
    CK_STORE(destination + offset + 96, v3);
}

#endif

/// Copies as if through a temporary, whatever the overlap: two linear addresses may name the same page.
static inline void ck_copy(uint8_t *destination, const uint8_t *source, size_t byte_count) {
#if defined(__x86_64__)
    bool is_apart = (uintptr_t)destination - (uintptr_t)source >= byte_count &&
                    (uintptr_t)source - (uintptr_t)destination >= byte_count;
    if (is_apart && byte_count >= ck_copy_avx2_byte_count_min && ck_has_avx2()) {
        ck_copy_avx2(destination, source, byte_count);
        return;
    }
#endif
    memmove(destination, source, byte_count);
}

#endif
