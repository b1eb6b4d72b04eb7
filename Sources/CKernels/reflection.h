#ifndef CKERNELS_REFLECTION_H
#define CKERNELS_REFLECTION_H

#include <stddef.h>
#include <stdint.h>

/// Copies with the bits of each byte reversed, as bytes that bypass data reflection enter a reflected CRC.
void ck_reverse_bits(uint8_t *destination, const uint8_t *source, size_t byte_count);

#endif
