#include "reflection.h"

#include "patterns.h"

static void reverse_bits_by_words(uint8_t *destination, const uint8_t *source, size_t byte_count) {
    size_t offset = 0;
    for (; offset + 8 <= byte_count; offset += 8) {
        uint64_t word = ck_load64(source + offset);
        word = (word >> 1 & 0x5555555555555555) | (word & 0x5555555555555555) << 1;
        word = (word >> 2 & 0x3333333333333333) | (word & 0x3333333333333333) << 2;
        word = (word >> 4 & 0x0F0F0F0F0F0F0F0F) | (word & 0x0F0F0F0F0F0F0F0F) << 4;
        ck_store64(destination + offset, word);
    }
    for (; offset < byte_count; offset++) destination[offset] = __builtin_bitreverse8(source[offset]);
}

#if defined(__x86_64__)

/// By nibble look-up, for whole vectors. Returns how many bytes it did.
CK_AVX2 static size_t reverse_bits_avx2(uint8_t *destination, const uint8_t *source, size_t byte_count) {
    const __m256i reversed_nibbles = _mm256_setr_epi8(
        0x0, 0x8, 0x4, 0xC, 0x2, 0xA, 0x6, 0xE, 0x1, 0x9, 0x5, 0xD, 0x3, 0xB, 0x7, 0xF,
        0x0, 0x8, 0x4, 0xC, 0x2, 0xA, 0x6, 0xE, 0x1, 0x9, 0x5, 0xD, 0x3, 0xB, 0x7, 0xF);
    const __m256i low_nibble = _mm256_set1_epi8(0x0F);
    size_t offset = 0;
    for (; offset + 32 <= byte_count; offset += 32) {
        __m256i bytes = _mm256_loadu_si256((const __m256i *)(const void *)(source + offset));
        __m256i low = _mm256_shuffle_epi8(reversed_nibbles, _mm256_and_si256(bytes, low_nibble));
        __m256i high =
            _mm256_shuffle_epi8(reversed_nibbles, _mm256_and_si256(_mm256_srli_epi16(bytes, 4), low_nibble));
        __m256i reversed = _mm256_or_si256(_mm256_slli_epi16(low, 4), high);
        _mm256_storeu_si256((__m256i *)(void *)(destination + offset), reversed);
    }
    return offset;
}

#endif

void ck_reverse_bits(uint8_t *destination, const uint8_t *source, size_t byte_count) {
    size_t done = 0;
#if defined(__x86_64__)
    if (ck_has_avx2()) done = reverse_bits_avx2(destination, source, byte_count);
#endif
    reverse_bits_by_words(destination + done, source + done, byte_count - done);
}
