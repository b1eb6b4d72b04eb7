#include <isa-l/crc.h>

#include "CKernels.h"
#include "patterns.h"

// ISA-L keeps the register bit-reflected and leaves inversion to the caller. The specification's register is the other
// way round (appendix A), so the seed and result that bypass inversion are reversed here, and so is each byte that
// bypasses data reflection.

enum {
    /// Bytes that pass through the private buffer at a time.
    reversal_byte_count = 4096,
    /// Copied, then read back for the CRC while still in the L1 cache.
    copy_block_byte_count = 8192,
};

static uint32_t reversed32(uint32_t value) { return __builtin_bitreverse32(value); }

/// Continues the reflected register over `byte_count` bytes.
static uint32_t update(uint32_t register_, const uint8_t *bytes, size_t byte_count) {
    // ISA-L counts in int.
    const size_t most = (size_t)1 << 30;
    while (byte_count > 0) {
        size_t part = byte_count < most ? byte_count : most;
        register_ = crc32_iscsi((unsigned char *)bytes, (int)part, register_);
        bytes += part;
        byte_count -= part;
    }
    return register_;
}

/// Copies with the bits of each byte reversed.
static void reverse_bytes(uint8_t *destination, const uint8_t *source, size_t byte_count) {
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

/// The same by nibble look-up, for whole vectors. Returns how many bytes it did.
CK_AVX2 static size_t reverse_bytes_avx2(uint8_t *destination, const uint8_t *source, size_t byte_count) {
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

/// Continues the reflected register over bytes that enter most significant bit first.
static uint32_t update_unreflected(uint32_t register_, const uint8_t *bytes, size_t byte_count) {
    uint8_t buffer[reversal_byte_count];
    while (byte_count > 0) {
        size_t part = byte_count < sizeof buffer ? byte_count : sizeof buffer;
        size_t done = 0;
#if defined(__x86_64__)
        if (ck_has_avx2()) done = reverse_bytes_avx2(buffer, bytes, part);
#endif
        reverse_bytes(buffer + done, bytes + done, part - done);
        register_ = update(register_, buffer, part);
        bytes += part;
        byte_count -= part;
    }
    return register_;
}

uint32_t ck_crc32c(uint32_t seed, const void *data, size_t byte_count, unsigned flags) {
    uint32_t register_ = flags & CK_CRC_BYPASS_INVERSION ? reversed32(seed) : ~seed;
    register_ = flags & CK_CRC_BYPASS_DATA_REFLECTION ? update_unreflected(register_, data, byte_count)
                                                      : update(register_, data, byte_count);
    return flags & CK_CRC_BYPASS_INVERSION ? reversed32(register_) : ~register_;
}

uint32_t ck_copy_crc32c(uint32_t seed, void *destination, const void *source, size_t byte_count, unsigned flags) {
    uint8_t *to = destination;
    const uint8_t *from = source;
    uint32_t crc = seed;
    while (byte_count > 0) {
        size_t part = byte_count < copy_block_byte_count ? byte_count : copy_block_byte_count;
        memmove(to, from, part);
        crc = ck_crc32c(crc, to, part, flags);
        to += part;
        from += part;
        byte_count -= part;
    }
    return crc;
}
