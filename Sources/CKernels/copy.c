#include "CKernels.h"
#include "patterns.h"

// memmove throughout, never memcpy: two linear addresses may name the same page.
void ck_move(void *destination, const void *source, size_t byte_count) { memmove(destination, source, byte_count); }

#if defined(__x86_64__)

#define STORE(bytes, value) _mm256_storeu_si256((__m256i *)(void *)(bytes), value)

/// - Precondition: at least 32 bytes.
CK_AVX2 static void fill_avx2(uint8_t *destination, size_t byte_count, uint64_t pattern) {
    __m256i value = _mm256_set1_epi64x((long long)pattern);
    size_t offset = 0;
    for (; offset + 128 <= byte_count; offset += 128) {
        STORE(destination + offset, value);
        STORE(destination + offset + 32, value);
        STORE(destination + offset + 64, value);
        STORE(destination + offset + 96, value);
    }
    for (; offset + 32 <= byte_count; offset += 32) STORE(destination + offset, value);
    size_t last = byte_count - 32;
    STORE(destination + last, _mm256_set1_epi64x((long long)ck_rotated(pattern, last)));
}

/// Whole vectors only. Returns how many bytes it did.
CK_AVX2 static size_t dualcast_avx2(
    uint8_t *destination1, uint8_t *destination2, const uint8_t *source, size_t byte_count
) {
    size_t offset = 0;
    for (; offset + 64 <= byte_count; offset += 64) {
        __m256i first = _mm256_loadu_si256((const __m256i *)(const void *)(source + offset));
        __m256i second = _mm256_loadu_si256((const __m256i *)(const void *)(source + offset + 32));
        STORE(destination1 + offset, first);
        STORE(destination1 + offset + 32, second);
        STORE(destination2 + offset, first);
        STORE(destination2 + offset + 32, second);
    }
    return offset;
}

#endif

void ck_fill(void *destination, size_t byte_count, uint64_t pattern, uint64_t phase) {
    uint8_t *bytes = destination;
    uint64_t rotated = ck_rotated(pattern, phase);
    if (ck_rotated(rotated, 1) == rotated) {
        memset(bytes, (int)(rotated & 0xFF), byte_count);
        return;
    }
#if defined(__x86_64__)
    if (byte_count >= 32 && ck_has_avx2()) {
        fill_avx2(bytes, byte_count, rotated);
        return;
    }
#endif
    size_t offset = 0;
    for (; offset + 8 <= byte_count; offset += 8) ck_store64(bytes + offset, rotated);
    memcpy(bytes + offset, &rotated, byte_count - offset);
}

void ck_dualcast(void *destination1, void *destination2, const void *source, size_t byte_count) {
    uint8_t *first = destination1, *second = destination2;
    const uint8_t *bytes = source;
    size_t offset = 0;
#if defined(__x86_64__)
    if (byte_count >= 64 && ck_has_avx2()) offset = dualcast_avx2(first, second, bytes, byte_count);
#endif
    for (; offset + 8 <= byte_count; offset += 8) {
        uint64_t value = ck_load64(bytes + offset);
        ck_store64(first + offset, value);
        ck_store64(second + offset, value);
    }
    for (; offset < byte_count; offset++) {
        uint8_t value = bytes[offset];
        first[offset] = value;
        second[offset] = value;
    }
}
