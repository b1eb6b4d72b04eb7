/// The data kernels of the DSA operations: small functions over bytes that somebody else may be changing.
///
/// Client memory is hostile. No kernel decides by one read and acts on another, none reads or writes outside the bytes
/// it is given, and none needs alignment. A byte that changes while a kernel runs counts as either value.
#ifndef CKERNELS_H
#define CKERNELS_H

#include <stddef.h>
#include <stdint.h>

/// Bypass CRC Inversion and Reflection: the seed is the register's start, the register is the result.
#define CK_CRC_BYPASS_INVERSION 1u
/// Bypass Data Reflection: the bytes enter most significant bit first.
#define CK_CRC_BYPASS_DATA_REFLECTION 2u

/// CRC32C of `byte_count` bytes (DSA 3.0 appendix A). The result over a first part is the seed of the second, for
/// every combination of the `CK_CRC_` flags.
uint32_t ck_crc32c(uint32_t seed, const void *data, size_t byte_count, unsigned flags);

/// Copies as `ck_move` does and returns the CRC32C of the bytes that were written.
uint32_t ck_copy_crc32c(uint32_t seed, void *destination, const void *source, size_t byte_count, unsigned flags);

/// Copies `byte_count` bytes as if through a temporary, whatever the overlap.
void ck_move(void *destination, const void *source, size_t byte_count);

/// Writes byte (`phase` + i) mod 8 of `pattern`, counted from its least significant, to byte i of `destination`.
void ck_fill(void *destination, size_t byte_count, uint64_t pattern, uint64_t phase);

/// Copies each byte, read once, to both destinations. No two of the three ranges overlap.
void ck_dualcast(void *destination1, void *destination2, const void *source, size_t byte_count);

/// The offset of the first byte that differs, `byte_count` when none does.
size_t ck_first_difference(const void *left, const void *right, size_t byte_count);

/// The offset of the first byte i that is not byte (`phase` + i) mod 8 of `pattern`, `byte_count` when all are.
size_t ck_first_pattern_difference(const void *data, size_t byte_count, uint64_t pattern, uint64_t phase);

/// Reads the 64 bytes of a descriptor, each once, as eight words in memory order.
void ck_load_descriptor(const void *source, uint64_t words[8]);

/// Writes a completion record: bytes 1 to 31 first, then the status byte with release ordering, so that who sees the
/// status sees the rest (DSA 3.0 §3.6).
void ck_publish_record(void *destination, const uint64_t words[4]);

#endif
