#include <isa-l.h>
#include <string.h>

#include "CLoadGenerator.h"

enum { DIF_BLOCK = 512, DIF_FIELD = 8, DELTA_WORD = 8, DELTA_ENTRY = 10 };

uint32_t bench_crc32c(const void *bytes, size_t count)
{
    // The routine takes the bytes through a pointer to non-const and only reads them.
    return crc32_iscsi((unsigned char *)(uintptr_t)bytes, (int)count, 0xffffffff);
}

void bench_keep(uint64_t value)
{
    __asm__ volatile("" : : "r"(value) : "memory");
}

static uint64_t field_of(uint16_t guard, size_t block)
{
    uint32_t reference = (uint32_t)(BENCH_DIF_REFERENCE_TAG + block);
    return __builtin_bswap64((uint64_t)guard << 48 | (uint64_t)BENCH_DIF_APPLICATION_TAG << 32 | reference);
}

static uint64_t load64(const uint8_t *bytes)
{
    uint64_t value;
    memcpy(&value, bytes, sizeof value);
    return value;
}

void bench_dif_insert(void *destination, const void *source, size_t blocks)
{
    uint8_t *to = destination;
    uint8_t *from = (uint8_t *)(uintptr_t)source;
    for (size_t block = 0; block < blocks; block++) {
        uint64_t field = field_of(crc16_t10dif_copy(0, to, from, DIF_BLOCK), block);
        memcpy(to + DIF_BLOCK, &field, sizeof field);
        to += DIF_BLOCK + DIF_FIELD;
        from += DIF_BLOCK;
    }
}

size_t bench_dif_check(const void *source, size_t blocks)
{
    const uint8_t *from = source;
    size_t block = 0;
    for (; block < blocks; block++, from += DIF_BLOCK + DIF_FIELD) {
        if (load64(from + DIF_BLOCK) != field_of(crc16_t10dif(0, from, DIF_BLOCK), block)) break;
    }
    return block;
}

size_t bench_dif_strip(void *destination, const void *source, size_t blocks)
{
    uint8_t *to = destination;
    uint8_t *from = (uint8_t *)(uintptr_t)source;
    size_t block = 0;
    for (; block < blocks; block++, from += DIF_BLOCK + DIF_FIELD, to += DIF_BLOCK) {
        if (load64(from + DIF_BLOCK) != field_of(crc16_t10dif_copy(0, to, from, DIF_BLOCK), block)) break;
    }
    return block;
}

size_t bench_dif_update(void *destination, const void *source, size_t blocks)
{
    uint8_t *to = destination;
    uint8_t *from = (uint8_t *)(uintptr_t)source;
    size_t block = 0;
    for (; block < blocks; block++, from += DIF_BLOCK + DIF_FIELD, to += DIF_BLOCK + DIF_FIELD) {
        uint64_t field = field_of(crc16_t10dif_copy(0, to, from, DIF_BLOCK), block);
        if (load64(from + DIF_BLOCK) != field) break;
        memcpy(to + DIF_BLOCK, &field, sizeof field);
    }
    return block;
}

size_t bench_delta_create(const void *first, const void *second, size_t bytes, void *record)
{
    const uint8_t *old = first, *new = second;
    uint8_t *entry = record;
    for (size_t offset = 0; offset < bytes; offset += DELTA_WORD) {
        uint64_t word = load64(new + offset);
        if (load64(old + offset) == word) continue;
        uint16_t number = (uint16_t)(offset / DELTA_WORD);
        memcpy(entry, &number, sizeof number);
        memcpy(entry + sizeof number, &word, sizeof word);
        entry += DELTA_ENTRY;
    }
    return (size_t)(entry - (uint8_t *)record);
}

void bench_delta_apply(void *destination, const void *record, size_t record_bytes)
{
    uint8_t *blocks = destination;
    const uint8_t *entry = record, *end = entry + record_bytes;
    for (; entry + DELTA_ENTRY <= end; entry += DELTA_ENTRY) {
        uint16_t number;
        memcpy(&number, entry, sizeof number);
        memcpy(blocks + (size_t)number * DELTA_WORD, entry + sizeof number, DELTA_WORD);
    }
}
