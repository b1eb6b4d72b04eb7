#include "guard.h"

#include <isa-l/crc.h>

#include "patterns.h"

// ISA-L folds vectors of 16 bytes, and of 64 where there is AVX-512. In between, with AVX2 and VPCLMULQDQ, vectors of
// 32 bytes do twice as much as those of 16.

#if defined(__x86_64__)

#define CK_VPCLMUL __attribute__((target("avx2,pclmul,vpclmulqdq")))

/// The polynomial, with x^16.
static const uint64_t polynomial = 0x18BB7;

/// x^64 divided by the polynomial.
static const uint64_t reciprocal = 0x1F65A57F81D33;

/// x^n and x^(n + 64) mod the polynomial: what the low and the high half of a vector are multiplied by to move it n
/// bits up.
static const uint64_t up_by_128[2] = {0xA010, 0x1FAA}, up_by_256[2] = {0x857D, 0x7ACC};
static const uint64_t up_by_512[2] = {0x1069, 0xDD31}, up_by_768[2] = {0xDFCB, 0x4132};
static const uint64_t up_by_1024[2] = {0x6123, 0x2295};
static const uint64_t x_to_64 = 0xF249, x_to_80 = 0x2D56;

enum {
    /// Four vectors that are folded side by side.
    fold_byte_count = 128,
};

/// 32 bytes as two numbers, each with its first byte on top.
CK_VPCLMUL static inline __m256i load(const uint8_t *bytes) {
    const __m256i reversed = _mm256_setr_epi8(
        15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0, 15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
    return _mm256_shuffle_epi8(_mm256_loadu_si256((const __m256i *)(const void *)bytes), reversed);
}

/// Both numbers of `vector`, moved up as `powers` say, plus those of `next`.
CK_VPCLMUL static inline __m256i fold(__m256i vector, const uint64_t powers[2], __m256i next) {
    __m256i factors = _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)(const void *)powers));
    __m256i low = _mm256_clmulepi64_epi128(vector, factors, 0x00);
    __m256i high = _mm256_clmulepi64_epi128(vector, factors, 0x11);
    return _mm256_xor_si256(_mm256_xor_si256(low, high), next);
}

/// `value` times x^16 mod the polynomial: the CRC of the message `value`.
CK_VPCLMUL static inline uint16_t reduce(__m128i value) {
    // 80 bits, then 64, then the remainder by the quotient, which Barrett's multiplication gives exactly.
    __m128i high = _mm_clmulepi64_si128(value, _mm_cvtsi64_si128((long long)x_to_80), 0x01);
    __m128i folded = _mm_xor_si128(high, _mm_slli_si128(_mm_move_epi64(value), 2));
    __m128i top = _mm_clmulepi64_si128(folded, _mm_cvtsi64_si128((long long)x_to_64), 0x01);
    uint64_t rest = (uint64_t)_mm_cvtsi128_si64(_mm_xor_si128(folded, top));
    __m128i product = _mm_clmulepi64_si128(
        _mm_cvtsi64_si128((long long)(rest >> 16)), _mm_cvtsi64_si128((long long)reciprocal), 0x00);
    __m128i quotient = _mm_srli_si128(product, 6);
    __m128i multiple = _mm_clmulepi64_si128(quotient, _mm_cvtsi64_si128((long long)polynomial), 0x00);
    return (uint16_t)(rest ^ (uint64_t)_mm_cvtsi128_si64(multiple));
}

/// - Precondition: a multiple of 8 bytes, at least ``fold_byte_count``, of which at most 8 are left over after whole
///   multiples of that: the blocks of DIF.
CK_VPCLMUL static uint16_t guard_by_folding(uint16_t seed, const uint8_t *bytes, size_t byte_count) {
    __m256i v0 = load(bytes), v1 = load(bytes + 32), v2 = load(bytes + 64), v3 = load(bytes + 96);
    v0 = _mm256_xor_si256(v0, _mm256_zextsi128_si256(_mm_slli_si128(_mm_cvtsi32_si128(seed), 14)));
    size_t offset = fold_byte_count;
    for (; offset + fold_byte_count <= byte_count; offset += fold_byte_count) {
        v0 = fold(v0, up_by_1024, load(bytes + offset));
        v1 = fold(v1, up_by_1024, load(bytes + offset + 32));
        v2 = fold(v2, up_by_1024, load(bytes + offset + 64));
        v3 = fold(v3, up_by_1024, load(bytes + offset + 96));
    }
    __m256i pair = fold(v0, up_by_768, fold(v1, up_by_512, fold(v2, up_by_256, v3)));
    // The first number is the lower lane. Only its half of the product is taken.
    __m256i moved = fold(pair, up_by_128, _mm256_setzero_si256());
    uint16_t crc = reduce(_mm_xor_si128(_mm256_castsi256_si128(moved), _mm256_extracti128_si256(pair, 1)));
    if (offset < byte_count) {
        uint64_t last = __builtin_bswap64(ck_load64(bytes + offset)) ^ (uint64_t)crc << 48;
        crc = reduce(_mm_cvtsi64_si128((long long)last));
    }
    return crc;
}

static bool has_vpclmul(void) {
    return ck_has_avx2() && __builtin_cpu_supports("vpclmulqdq") && !__builtin_cpu_supports("avx512vl");
}

#endif

uint16_t ck_guard(uint16_t seed, const uint8_t *bytes, size_t byte_count) {
#if defined(__x86_64__)
    size_t left = byte_count % fold_byte_count;
    if (byte_count >= fold_byte_count && (left == 0 || left == 8) && has_vpclmul()) {
        return guard_by_folding(seed, bytes, byte_count);
    }
#endif
    return crc16_t10dif(seed, bytes, byte_count);
}
