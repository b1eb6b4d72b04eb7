#include "CKernels.h"
#include "patterns.h"

// memcmp would have to be followed by a search for the byte, which may find none if the memory changed in between.
// These kernels locate the difference in the registers that showed it.

/// Bytes from `offset` on, fewer than a vector. `pattern` replaces `right` when that is null.
static size_t first_difference_from(
    size_t offset, const uint8_t *left, const uint8_t *right, uint64_t pattern, size_t byte_count
) {
    for (; offset + 8 <= byte_count; offset += 8) {
        uint64_t expected = right ? ck_load64(right + offset) : pattern;
        uint64_t difference = ck_load64(left + offset) ^ expected;
        if (difference != 0) return offset + (size_t)__builtin_ctzll(difference) / 8;
    }
    for (unsigned bits = 0; offset < byte_count; offset++, bits += 8) {
        uint8_t expected = right ? right[offset] : (uint8_t)(pattern >> bits);
        if (left[offset] != expected) return offset;
    }
    return byte_count;
}

#if defined(__x86_64__)

/// The offset of the first zero bit among the equality masks of 128 bytes, 128 when there is none.
CK_AVX2 static inline size_t first_unequal(__m256i e0, __m256i e1, __m256i e2, __m256i e3) {
    uint64_t low = (uint32_t)_mm256_movemask_epi8(e0) | (uint64_t)(uint32_t)_mm256_movemask_epi8(e1) << 32;
    if (~low != 0) return (size_t)__builtin_ctzll(~low);
    uint64_t high = (uint32_t)_mm256_movemask_epi8(e2) | (uint64_t)(uint32_t)_mm256_movemask_epi8(e3) << 32;
    return ~high != 0 ? 64 + (size_t)__builtin_ctzll(~high) : 128;
}

#define LOAD(bytes) _mm256_loadu_si256((const __m256i *)(const void *)(bytes))

CK_AVX2 static size_t first_difference_avx2(const uint8_t *left, const uint8_t *right, size_t byte_count) {
    size_t offset = 0;
    for (; offset + 128 <= byte_count; offset += 128) {
        const uint8_t *l = left + offset, *r = right + offset;
        __m256i e0 = _mm256_cmpeq_epi8(LOAD(l), LOAD(r));
        __m256i e1 = _mm256_cmpeq_epi8(LOAD(l + 32), LOAD(r + 32));
        __m256i e2 = _mm256_cmpeq_epi8(LOAD(l + 64), LOAD(r + 64));
        __m256i e3 = _mm256_cmpeq_epi8(LOAD(l + 96), LOAD(r + 96));
        __m256i all = _mm256_and_si256(_mm256_and_si256(e0, e1), _mm256_and_si256(e2, e3));
        if (ck_unlikely(_mm256_movemask_epi8(all) != -1)) return offset + first_unequal(e0, e1, e2, e3);
    }
    for (; offset + 32 <= byte_count; offset += 32) {
        uint32_t equal = (uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi8(LOAD(left + offset), LOAD(right + offset)));
        if (~equal != 0) return offset + (size_t)__builtin_ctz(~equal);
    }
    return first_difference_from(offset, left, right, 0, byte_count);
}

CK_AVX2 static size_t first_pattern_difference_avx2(const uint8_t *data, uint64_t pattern, size_t byte_count) {
    __m256i expected = _mm256_set1_epi64x((long long)pattern);
    size_t offset = 0;
    for (; offset + 128 <= byte_count; offset += 128) {
        const uint8_t *d = data + offset;
        __m256i e0 = _mm256_cmpeq_epi8(LOAD(d), expected);
        __m256i e1 = _mm256_cmpeq_epi8(LOAD(d + 32), expected);
        __m256i e2 = _mm256_cmpeq_epi8(LOAD(d + 64), expected);
        __m256i e3 = _mm256_cmpeq_epi8(LOAD(d + 96), expected);
        __m256i all = _mm256_and_si256(_mm256_and_si256(e0, e1), _mm256_and_si256(e2, e3));
        if (ck_unlikely(_mm256_movemask_epi8(all) != -1)) return offset + first_unequal(e0, e1, e2, e3);
    }
    for (; offset + 32 <= byte_count; offset += 32) {
        uint32_t equal = (uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi8(LOAD(data + offset), expected));
        if (~equal != 0) return offset + (size_t)__builtin_ctz(~equal);
    }
    return first_difference_from(offset, data, NULL, pattern, byte_count);
}

#endif

size_t ck_first_difference(const void *left, const void *right, size_t byte_count) {
#if defined(__x86_64__)
    if (byte_count >= 32 && ck_has_avx2()) return first_difference_avx2(left, right, byte_count);
#endif
    return first_difference_from(0, left, right, 0, byte_count);
}

size_t ck_first_pattern_difference(const void *data, size_t byte_count, uint64_t pattern, uint64_t phase) {
    uint64_t rotated = ck_rotated(pattern, phase);
#if defined(__x86_64__)
    if (byte_count >= 32 && ck_has_avx2()) return first_pattern_difference_avx2(data, rotated, byte_count);
#endif
    return first_difference_from(0, data, NULL, rotated, byte_count);
}
