#include <isa-l.h>

#include "CLoadGenerator.h"

uint32_t bench_crc32c(const void *bytes, size_t count)
{
    // The routine takes the bytes through a pointer to non-const and only reads them.
    return crc32_iscsi((unsigned char *)(uintptr_t)bytes, (int)count, 0xffffffff);
}

void bench_keep(uint64_t value)
{
    __asm__ volatile("" : : "r"(value) : "memory");
}
