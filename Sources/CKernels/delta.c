#include "CKernels.h"
#include "patterns.h"

enum {
    block_byte_count = 8,
    entry_byte_count = 10,
};

/// The offset, from `offset` on, of the first bytes that may differ; at most a vector behind the last that are equal.
static inline size_t skip_equal_words(
    size_t offset, const uint8_t *first, const uint8_t *second, size_t byte_count
) {
    while (offset < byte_count && ck_load64(first + offset) == ck_load64(second + offset)) offset += block_byte_count;
    return offset;
}

#if defined(__x86_64__)

#define LOAD(bytes) _mm256_loadu_si256((const __m256i *)(const void *)(bytes))

CK_AVX2 static size_t skip_equal_avx2(
    size_t offset, const uint8_t *first, const uint8_t *second, size_t byte_count
) {
    for (; offset + 128 <= byte_count; offset += 128) {
        const uint8_t *f = first + offset, *s = second + offset;
        __m256i d0 = _mm256_xor_si256(LOAD(f), LOAD(s));
        __m256i d1 = _mm256_xor_si256(LOAD(f + 32), LOAD(s + 32));
        __m256i d2 = _mm256_xor_si256(LOAD(f + 64), LOAD(s + 64));
        __m256i d3 = _mm256_xor_si256(LOAD(f + 96), LOAD(s + 96));
        __m256i any = _mm256_or_si256(_mm256_or_si256(d0, d1), _mm256_or_si256(d2, d3));
        if (!_mm256_testz_si256(any, any)) break;
    }
    for (; offset + 32 <= byte_count; offset += 32) {
        __m256i difference = _mm256_xor_si256(LOAD(first + offset), LOAD(second + offset));
        if (!_mm256_testz_si256(difference, difference)) break;
    }
    return offset;
}

#endif

size_t ck_create_delta(
    const void *first, const void *second, size_t block_count, uint32_t first_offset, void *record, size_t capacity,
    size_t *record_byte_count
) {
    const uint8_t *f = first, *s = second;
    uint8_t *entry = record, *end = entry + capacity / entry_byte_count * entry_byte_count;
    size_t byte_count = block_count * block_byte_count, offset = 0;
#if defined(__x86_64__)
    bool has_avx2 = ck_has_avx2();
#endif
    while (offset < byte_count) {
        // What is skipped was equal when it was read. What may differ is read again, and only that read counts.
#if defined(__x86_64__)
        if (has_avx2) offset = skip_equal_avx2(offset, f, s, byte_count);
#endif
        offset = skip_equal_words(offset, f, s, byte_count);
        for (; offset < byte_count; offset += block_byte_count) {
            uint64_t value = ck_load64(s + offset);
            if (ck_load64(f + offset) == value) break;
            if (entry == end) goto full;
            uint16_t number = (uint16_t)(first_offset + offset / block_byte_count);
            memcpy(entry, &number, sizeof number);
            ck_store64(entry + sizeof number, value);
            entry += entry_byte_count;
        }
    }
full:
    *record_byte_count = (size_t)(entry - (uint8_t *)record);
    return offset / block_byte_count;
}

size_t ck_apply_delta(
    const void *record, size_t entry_count, void *destination, uint32_t first_block, size_t block_count,
    uint32_t *next_offset, struct ck_delta_entry *stopped
) {
    const uint8_t *bytes = record;
    uint8_t *blocks = destination;
    uint32_t next = *next_offset;
    size_t applied = 0;
    for (; applied < entry_count; applied++, bytes += entry_byte_count) {
        struct ck_delta_entry entry = ck_load_delta_entry(bytes);
        uint32_t block = entry.offset - first_block;
        if (entry.offset < next || entry.offset < first_block || block >= block_count) {
            *stopped = entry;
            break;
        }
        ck_store64(blocks + (size_t)block * block_byte_count, entry.data);
        next = (uint32_t)entry.offset + 1;
    }
    *next_offset = next;
    return applied;
}

struct ck_delta_entry ck_load_delta_entry(const void *bytes) {
    struct ck_delta_entry entry;
    memcpy(&entry.offset, bytes, sizeof entry.offset);
    entry.data = ck_load64((const uint8_t *)bytes + sizeof entry.offset);
    // The caller validates `entry`; the compiler must not fetch it again from memory that may have changed.
    __asm__ volatile("" : "+r"(entry.offset), "+r"(entry.data));
    return entry;
}
