#include "CProtocol.h"

#include <immintrin.h>
#include <stddef.h>
#include <string.h>

// Each byte's value as a digit of base64, or NOT_A_DIGIT, which has a bit that no digit has.
#define NOT_A_DIGIT 0x80

#define ROW_OF_NONE                                                                                                 \
    NOT_A_DIGIT, NOT_A_DIGIT, NOT_A_DIGIT, NOT_A_DIGIT, NOT_A_DIGIT, NOT_A_DIGIT, NOT_A_DIGIT, NOT_A_DIGIT,         \
        NOT_A_DIGIT, NOT_A_DIGIT, NOT_A_DIGIT, NOT_A_DIGIT, NOT_A_DIGIT, NOT_A_DIGIT, NOT_A_DIGIT, NOT_A_DIGIT

static const uint8_t digit_values[256] = {
    ROW_OF_NONE, ROW_OF_NONE, ROW_OF_NONE, ROW_OF_NONE, ROW_OF_NONE, ROW_OF_NONE, ROW_OF_NONE, ROW_OF_NONE,
    ROW_OF_NONE, ROW_OF_NONE, ROW_OF_NONE, ROW_OF_NONE, ROW_OF_NONE, ROW_OF_NONE, ROW_OF_NONE, ROW_OF_NONE,
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Winitializer-overrides"
    ['A'] = 0,  ['B'] = 1,  ['C'] = 2,  ['D'] = 3,  ['E'] = 4,  ['F'] = 5,  ['G'] = 6,  ['H'] = 7,
    ['I'] = 8,  ['J'] = 9,  ['K'] = 10, ['L'] = 11, ['M'] = 12, ['N'] = 13, ['O'] = 14, ['P'] = 15,
    ['Q'] = 16, ['R'] = 17, ['S'] = 18, ['T'] = 19, ['U'] = 20, ['V'] = 21, ['W'] = 22, ['X'] = 23,
    ['Y'] = 24, ['Z'] = 25, ['a'] = 26, ['b'] = 27, ['c'] = 28, ['d'] = 29, ['e'] = 30, ['f'] = 31,
    ['g'] = 32, ['h'] = 33, ['i'] = 34, ['j'] = 35, ['k'] = 36, ['l'] = 37, ['m'] = 38, ['n'] = 39,
    ['o'] = 40, ['p'] = 41, ['q'] = 42, ['r'] = 43, ['s'] = 44, ['t'] = 45, ['u'] = 46, ['v'] = 47,
    ['w'] = 48, ['x'] = 49, ['y'] = 50, ['z'] = 51, ['0'] = 52, ['1'] = 53, ['2'] = 54, ['3'] = 55,
    ['4'] = 56, ['5'] = 57, ['6'] = 58, ['7'] = 59, ['8'] = 60, ['9'] = 61, ['+'] = 62, ['/'] = 63,
#pragma GCC diagnostic pop
};

bool cp_decode_descriptor_scalar(const void *text, uint64_t words[8])
{
    const uint8_t *next = text;
    uint8_t bytes[66];
    uint8_t seen = 0;
    for (size_t index = 0; index < sizeof bytes; index += 3) {
        uint32_t group = 0;
        for (int digit = 0; digit < 4; digit++, next++) {
            // The padding counts as digits of value 0, which the end of this function makes sure of.
            bool is_padding = index == sizeof bytes - 3 && digit >= 2;
            uint8_t value = is_padding ? 0 : digit_values[*next];
            seen |= value;
            group = group << 6 | (value & 0x3F);
        }
        bytes[index] = (uint8_t)(group >> 16);
        bytes[index + 1] = (uint8_t)(group >> 8);
        bytes[index + 2] = (uint8_t)group;
    }
    memcpy(words, bytes, 64);
    return !(seen & NOT_A_DIGIT) && next[-1] == '=' && next[-2] == '=' && bytes[64] == 0 && bytes[65] == 0;
}

// Where the characters from `first` on, `count` of them, are, all bits of a byte are 1.
__attribute__((target("avx2"))) static inline __m256i in_range(__m256i characters, char first, uint8_t count)
{
    __m256i offset = _mm256_sub_epi8(characters, _mm256_set1_epi8(first));
    return _mm256_cmpeq_epi8(_mm256_min_epu8(offset, _mm256_set1_epi8((char)(count - 1))), offset);
}

// 32 digits as 24 bytes in the low end of a vector. Where a character is no digit, a byte of `invalid` becomes all
// ones.
__attribute__((target("avx2"))) static inline __m256i decode_digits(__m256i characters, __m256i *invalid)
{
    __m256i upper = in_range(characters, 'A', 26);
    __m256i lower = in_range(characters, 'a', 26);
    __m256i decimal = in_range(characters, '0', 10);
    __m256i plus = _mm256_cmpeq_epi8(characters, _mm256_set1_epi8('+'));
    __m256i slash = _mm256_cmpeq_epi8(characters, _mm256_set1_epi8('/'));
    // What to add to a character of each kind to get its value.
    __m256i difference = _mm256_or_si256(
        _mm256_or_si256(
            _mm256_and_si256(upper, _mm256_set1_epi8(0 - 'A')),
            _mm256_and_si256(lower, _mm256_set1_epi8(26 - 'a'))),
        _mm256_or_si256(
            _mm256_and_si256(decimal, _mm256_set1_epi8(52 - '0')),
            _mm256_or_si256(
                _mm256_and_si256(plus, _mm256_set1_epi8(62 - '+')),
                _mm256_and_si256(slash, _mm256_set1_epi8(63 - '/')))));
    // No kind has a difference of 0, so 0 tells a character of none.
    *invalid = _mm256_or_si256(*invalid, _mm256_cmpeq_epi8(difference, _mm256_setzero_si256()));
    __m256i values = _mm256_add_epi8(characters, difference);

    // Pairs of 6 bits to 12, pairs of those to 24, each group in a 32-bit lane.
    __m256i twelves = _mm256_maddubs_epi16(values, _mm256_set1_epi32(0x01400140));
    __m256i groups = _mm256_madd_epi16(twelves, _mm256_set1_epi32(0x00011000));
    // The three bytes of each group, most significant first, side by side in each half; then the halves side by side.
    const __m256i order = _mm256_setr_epi8(
        2, 1, 0, 6, 5, 4, 10, 9, 8, 14, 13, 12, -1, -1, -1, -1,
        2, 1, 0, 6, 5, 4, 10, 9, 8, 14, 13, 12, -1, -1, -1, -1);
    __m256i halves = _mm256_shuffle_epi8(groups, order);
    return _mm256_permutevar8x32_epi32(halves, _mm256_setr_epi32(0, 1, 2, 4, 5, 6, 3, 7));
}

__attribute__((target("avx2"))) static bool decode_descriptor_avx2(const void *text, uint64_t words[8])
{
    const char *next = text;
    // The last 32 characters overlap those before, so that no load passes the end. They stand for bytes 42 to 65.
    enum { last_character = CP_DESCRIPTOR_CHARACTERS - 32, last_byte = 42 };
    const __m256i padding = _mm256_setr_epi64x(0, 0, 0, (long long)0xFFFF000000000000);

    __m256i invalid = _mm256_setzero_si256();
    __m256i first = decode_digits(_mm256_loadu_si256((const __m256i *)next), &invalid);
    __m256i second = decode_digits(_mm256_loadu_si256((const __m256i *)(next + 32)), &invalid);
    __m256i end = _mm256_loadu_si256((const __m256i *)(next + last_character));
    // The padding counts as digits of value 0.
    __m256i third = decode_digits(_mm256_blendv_epi8(end, _mm256_set1_epi8('A'), padding), &invalid);

    // Bytes 24 to 31 and 48 to 55 are written twice, so that each word comes from one store.
    uint8_t *bytes = (uint8_t *)words;
    __m128i low = _mm256_castsi256_si128(third), high = _mm256_extracti128_si256(third, 1);
    _mm256_storeu_si256((__m256i *)bytes, first);
    _mm256_storeu_si256((__m256i *)(bytes + 24), second);
    _mm_storeu_si128((__m128i *)(bytes + 48), _mm_alignr_epi8(high, low, 48 - last_byte));
    uint64_t behind = (uint64_t)_mm_cvtsi128_si64(high) >> (8 * (64 - last_byte - 16));
    return _mm256_testz_si256(invalid, invalid) && behind == 0 && next[86] == '=' && next[87] == '=';
}

bool cp_decode_descriptor(const void *text, uint64_t words[8])
{
    return __builtin_cpu_supports("avx2") ? decode_descriptor_avx2(text, words)
                                          : cp_decode_descriptor_scalar(text, words);
}
