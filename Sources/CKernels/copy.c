#include "CKernels.h"
#include "copying.h"

void ck_move(void *destination, const void *source, size_t byte_count) { ck_copy(destination, source, byte_count); }

enum {
    /// From so many equal bytes on, memset is as fast as any loop, or faster.
    memset_byte_count_min = 16384,
};

#if defined(__x86_64__)

/// - Precondition: at least 32 bytes.
CK_AVX2 static void fill_avx2(uint8_t *destination, size_t byte_count, uint64_t pattern) {
    __m256i value = _mm256_set1_epi64x((long long)pattern);
    size_t offset = 0;
    for (; offset + 128 <= byte_count; offset += 128) {
        CK_STORE(destination + offset, value);
        CK_STORE(destination + offset + 32, value);
        CK_STORE(destination + offset + 64, value);
        CK_STORE(destination + offset + 96, value);
    }
    for (; offset + 32 <= byte_count; offset += 32) CK_STORE(destination + offset, value);
    size_t last = byte_count - 32;
    CK_STORE(destination + last, _mm256_set1_epi64x((long long)ck_rotated(pattern, last)));
}

/// Whole vectors only. Returns how many bytes it did.
CK_AVX2 static size_t dualcast_avx2(
    uint8_t *destination1, uint8_t *destination2, const uint8_t *source, size_t byte_count
) {
    size_t offset = 0;
    for (; offset + 128 <= byte_count; offset += 128) {
        __m256i v0 = CK_LOAD(source + offset), v1 = CK_LOAD(source + offset + 32);
        __m256i v2 = CK_LOAD(source + offset + 64), v3 = CK_LOAD(source + offset + 96);
        CK_STORE(destination1 + offset, v0);
        CK_STORE(destination1 + offset + 32, v1);
        CK_STORE(destination1 + offset + 64, v2);
        CK_STORE(destination1 + offset + 96, v3);
        CK_STORE(destination2 + offset, v0);
        CK_STORE(destination2 + offset + 32, v1);
        CK_STORE(destination2 + offset + 64, v2);
        CK_STORE(destination2 + offset + 96, v3);
    }
    for (; offset + 32 <= byte_count; offset += 32) {
        __m256i value = CK_LOAD(source + offset);
        CK_STORE(destination1 + offset, value);
        CK_STORE(destination2 + offset, value);
    }
    return offset;
}

#endif

void ck_fill(void *destination, size_t byte_count, uint64_t pattern, uint64_t phase) {
    uint8_t *bytes = destination;
    uint64_t rotated = ck_rotated(pattern, phase);
    if (byte_count >= memset_byte_count_min && ck_rotated(rotated, 1) == rotated) {
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
    if (byte_count >= 32 && ck_has_avx2()) offset = dualcast_avx2(first, second, bytes, byte_count);
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
