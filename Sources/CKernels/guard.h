#ifndef CKERNELS_GUARD_H
#define CKERNELS_GUARD_H

#include <stddef.h>
#include <stdint.h>

/// The CRC-16 of T10 over `byte_count` bytes: polynomial 0x18BB7, most significant bit first, without inversions.
uint16_t ck_guard(uint16_t seed, const uint8_t *bytes, size_t byte_count);

#endif
