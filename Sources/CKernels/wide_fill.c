#include "CKernels.h"
#include "patterns.h"

/// A pattern of 16 bytes, the first in the least significant bits.
typedef unsigned __int128 wide_pattern;

static wide_pattern rotated(wide_pattern pattern, uint64_t phase) {
    unsigned bits = (unsigned)(phase & 15) * 8;
    return bits == 0 ? pattern : pattern >> bits | pattern << (128 - bits);
}

#if defined(__x86_64__)

/// Whole vectors only. Returns how many bytes it did.
CK_AVX2 static size_t fill_avx2(uint8_t *destination, size_t byte_count, wide_pattern pattern) {
    __m256i value = _mm256_broadcastsi128_si256(
        _mm_set_epi64x((long long)(uint64_t)(pattern >> 64), (long long)(uint64_t)pattern));
    size_t offset = 0;
    for (; offset + 32 <= byte_count; offset += 32) {
        _mm256_storeu_si256((__m256i *)(void *)(destination + offset), value);
    }
    return offset;
}

#endif

void ck_fill_wide(void *destination, size_t byte_count, uint64_t low, uint64_t high, uint64_t phase) {
    uint8_t *bytes = destination;
    wide_pattern pattern = rotated((wide_pattern)high << 64 | low, phase);
    size_t offset = 0;
#if defined(__x86_64__)
    if (ck_has_avx2()) offset = fill_avx2(bytes, byte_count, pattern);
#endif
    for (; offset + 16 <= byte_count; offset += 16) memcpy(bytes + offset, &pattern, 16);
    memcpy(bytes + offset, &pattern, byte_count - offset);
}
