#include "CKernels.h"
#include "copying.h"
#include "reflection.h"

// As in crc.c the register is kept bit-reflected, and what bypasses inversion or reflection is reversed at its edge.
// ISA-L has this polynomial only from version 2.31 on.

/// 0x1AD93D23594C93659 without x^64, reflected: bit 63 stands for x^0.
static const uint64_t polynomial = 0x9A6C9329AC4BC9B5;

enum {
    /// Bytes that pass through the private buffer at a time.
    reversal_byte_count = 4096,
    /// Copied, then read back for the CRC while still in the L1 cache.
    copy_block_byte_count = 2048,
    /// Four vectors that are folded side by side.
    fold_byte_count = 64,
};

/// Entry n of row r: the register after byte n and r zero bytes.
static uint64_t table[8][256];

/// x^n mod the polynomial, reflected, for the products that move a vector by so many bits. The product of two reflected
/// numbers is one bit short, hence the 1 less.
static struct {
    uint64_t by128, by192, by512, by576;
} powers;

/// `value` times x.
static uint64_t times_x(uint64_t value) { return value >> 1 ^ (value & 1 ? polynomial : 0); }

static uint64_t power_of_x(unsigned exponent) {
    uint64_t value = (uint64_t)1 << 63;
    while (exponent-- > 0) value = times_x(value);
    return value;
}

__attribute__((constructor)) static void make_tables(void) {
    for (unsigned byte = 0; byte < 256; byte++) {
        uint64_t value = byte;
        for (unsigned bit = 0; bit < 8; bit++) value = times_x(value);
        table[0][byte] = value;
    }
    for (unsigned row = 1; row < 8; row++) {
        for (unsigned byte = 0; byte < 256; byte++) {
            uint64_t value = table[row - 1][byte];
            table[row][byte] = value >> 8 ^ table[0][value & 0xFF];
        }
    }
    powers.by128 = power_of_x(128 - 1);
    powers.by192 = power_of_x(192 - 1);
    powers.by512 = power_of_x(512 - 1);
    powers.by576 = power_of_x(576 - 1);
}

static uint64_t update_by_table(uint64_t register_, const uint8_t *bytes, size_t byte_count) {
    for (; byte_count >= 8; bytes += 8, byte_count -= 8) {
        uint64_t word = register_ ^ ck_load64(bytes);
        register_ = 0;
        for (unsigned byte = 0; byte < 8; byte++) register_ ^= table[7 - byte][word >> (8 * byte) & 0xFF];
    }
    for (; byte_count > 0; bytes++, byte_count--) register_ = register_ >> 8 ^ table[0][(register_ ^ *bytes) & 0xFF];
    return register_;
}

#if defined(__x86_64__)

#define CK_PCLMUL __attribute__((target("pclmul,sse4.1")))

CK_PCLMUL static inline __m128i load(const uint8_t *bytes) {
    return _mm_loadu_si128((const __m128i *)(const void *)bytes);
}

/// `vector` times a power of x, as 128 bits that are congruent, plus `next`. The low half of `factors` is for the low
/// half of `vector`, which holds the higher powers.
CK_PCLMUL static inline __m128i fold(__m128i vector, __m128i factors, __m128i next) {
    __m128i low = _mm_clmulepi64_si128(vector, factors, 0x00);
    __m128i high = _mm_clmulepi64_si128(vector, factors, 0x11);
    return _mm_xor_si128(_mm_xor_si128(low, high), next);
}

/// - Precondition: at least ``fold_byte_count`` bytes.
CK_PCLMUL static uint64_t update_by_folding(uint64_t register_, const uint8_t *bytes, size_t byte_count) {
    const __m128i far = _mm_set_epi64x((long long)powers.by512, (long long)powers.by576);
    const __m128i near = _mm_set_epi64x((long long)powers.by128, (long long)powers.by192);
    __m128i v0 = _mm_xor_si128(load(bytes), _mm_cvtsi64_si128((long long)register_));
    __m128i v1 = load(bytes + 16), v2 = load(bytes + 32), v3 = load(bytes + 48);
    size_t offset = fold_byte_count;
    for (; offset + fold_byte_count <= byte_count; offset += fold_byte_count) {
        v0 = fold(v0, far, load(bytes + offset));
        v1 = fold(v1, far, load(bytes + offset + 16));
        v2 = fold(v2, far, load(bytes + offset + 32));
        v3 = fold(v3, far, load(bytes + offset + 48));
    }
    __m128i vector = fold(fold(fold(v0, near, v1), near, v2), near, v3);
    for (; offset + 16 <= byte_count; offset += 16) vector = fold(vector, near, load(bytes + offset));
    // The CRC of what is congruent to the message is that of the message.
    uint8_t rest[16];
    _mm_storeu_si128((__m128i *)(void *)rest, vector);
    return update_by_table(update_by_table(0, rest, sizeof rest), bytes + offset, byte_count - offset);
}

#endif

/// Continues the reflected register over `byte_count` bytes.
static uint64_t update(uint64_t register_, const uint8_t *bytes, size_t byte_count) {
#if defined(__x86_64__)
    if (byte_count >= fold_byte_count && __builtin_cpu_supports("pclmul")) {
        return update_by_folding(register_, bytes, byte_count);
    }
#endif
    return update_by_table(register_, bytes, byte_count);
}

/// Continues the reflected register over bytes that enter most significant bit first.
static uint64_t update_unreflected(uint64_t register_, const uint8_t *bytes, size_t byte_count) {
    uint8_t buffer[reversal_byte_count];
    while (byte_count > 0) {
        size_t part = byte_count < sizeof buffer ? byte_count : sizeof buffer;
        ck_reverse_bits(buffer, bytes, part);
        register_ = update(register_, buffer, part);
        bytes += part;
        byte_count -= part;
    }
    return register_;
}

uint64_t ck_crc64(uint64_t seed, const void *data, size_t byte_count, unsigned flags) {
    uint64_t register_ = flags & CK_CRC_BYPASS_INVERSION ? __builtin_bitreverse64(seed) : ~seed;
    register_ = flags & CK_CRC_BYPASS_DATA_REFLECTION ? update_unreflected(register_, data, byte_count)
                                                      : update(register_, data, byte_count);
    return flags & CK_CRC_BYPASS_INVERSION ? __builtin_bitreverse64(register_) : ~register_;
}

uint64_t ck_copy_crc64(uint64_t seed, void *destination, const void *source, size_t byte_count, unsigned flags) {
    uint8_t *to = destination;
    const uint8_t *from = source;
    uint64_t crc = seed;
    while (byte_count > 0) {
        size_t part = byte_count < copy_block_byte_count ? byte_count : copy_block_byte_count;
        ck_copy(to, from, part);
        crc = ck_crc64(crc, to, part, flags);
        to += part;
        from += part;
        byte_count -= part;
    }
    return crc;
}
