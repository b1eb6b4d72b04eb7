/// The data kernels of the DSA operations: small functions over bytes that somebody else may be changing.
///
/// Client memory is hostile. No kernel decides by one read and acts on another (the data of DIF blocks excepted, see
/// there), none reads or writes outside the bytes
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

/// The same with the CRC64 of NVMe, polynomial 0x1AD93D23594C93659 (DSA 2.0).
uint64_t ck_crc64(uint64_t seed, const void *data, size_t byte_count, unsigned flags);
uint64_t ck_copy_crc64(uint64_t seed, void *destination, const void *source, size_t byte_count, unsigned flags);

/// Copies `byte_count` bytes as if through a temporary, whatever the overlap.
void ck_move(void *destination, const void *source, size_t byte_count);

/// Writes byte (`phase` + i) mod 8 of `pattern`, counted from its least significant, to byte i of `destination`.
void ck_fill(void *destination, size_t byte_count, uint64_t pattern, uint64_t phase);

/// The same with a pattern of 16 bytes, of which `low` holds the first eight.
void ck_fill_wide(void *destination, size_t byte_count, uint64_t low, uint64_t high, uint64_t phase);

/// Copies each byte, read once, to both destinations. No two of the three ranges overlap.
void ck_dualcast(void *destination1, void *destination2, const void *source, size_t byte_count);

/// The offset of the first byte that differs, `byte_count` when none does.
size_t ck_first_difference(const void *left, const void *right, size_t byte_count);

/// The offset of the first byte i that is not byte (`phase` + i) mod 8 of `pattern`, `byte_count` when all are.
size_t ck_first_pattern_difference(const void *data, size_t byte_count, uint64_t pattern, uint64_t phase);

/// Compares `block_count` blocks of 8 bytes and writes an entry (DSA 3.0 §8.3.8) for each that differs: its number,
/// counted from `first_offset`, and the block of `second` as it was compared. Stops before an entry that would exceed
/// `capacity` bytes. Returns the blocks before which it stopped, all of them otherwise, and in `record_byte_count` the
/// bytes it wrote.
size_t ck_create_delta(
    const void *first, const void *second, size_t block_count, uint32_t first_offset, void *record, size_t capacity,
    size_t *record_byte_count);

/// An entry of a delta record.
struct ck_delta_entry {
    uint16_t offset;
    uint64_t data;
};

/// The entry in the 10 bytes at `bytes`, each read once.
struct ck_delta_entry ck_load_delta_entry(const void *bytes);

/// Applies entries to the `block_count` blocks at `destination`, the first of which has the number `first_block`. Stops
/// at an entry whose offset is below `next_offset`, which follows the entries, or not among those blocks, and leaves
/// it in `stopped`. Returns the entries applied.
size_t ck_apply_delta(
    const void *record, size_t entry_count, void *destination, uint32_t first_block, size_t block_count,
    uint32_t *next_offset, struct ck_delta_entry *stopped);

/// Stored application tags are masked before they are compared, as the expected ones are.
#define CK_DIF_MASK_STORED_TAG 1u
/// A field of all ones is no error when no check is enabled.
#define CK_DIF_ALL_F_NEEDS_CHECK 2u

/// The tags of the next block.
struct ck_dif_tags {
    uint32_t reference;
    uint16_t application_mask, application;
};

/// What a DIF operation does to each block, and how far its tags are (DSA 3.0 §8.3.14 to §8.3.17).
struct ck_dif {
    /// Data bytes of a block, without the field: 512, 520, 4096 or 4104.
    size_t block_byte_count;
    /// DIF Flags, Source DIF Flags, Destination DIF Flags as in the descriptor.
    uint8_t flags, source_flags, destination_flags;
    /// `CK_DIF_` flags.
    uint8_t options;
    /// DIF Status of the block that ended the operation, otherwise 0.
    uint8_t status;
    struct ck_dif_tags source, destination;
};

/// Each carries out up to `block_count` blocks, stops before one whose field fails a check, and returns how many are
/// good. Those are done completely, and the others not at all. No two ranges overlap.
///
/// A field is read once. Data are read for their guard and again, from the L1 cache, to be copied: the guard is of the
/// first read. A private copy between the two halved the speed, and who writes to a block while it is copied harms
/// nobody else by it.
size_t ck_dif_check(struct ck_dif *dif, const void *source, size_t block_count);
size_t ck_dif_insert(struct ck_dif *dif, void *destination, const void *source, size_t block_count);
size_t ck_dif_strip(struct ck_dif *dif, void *destination, const void *source, size_t block_count);
size_t ck_dif_update(struct ck_dif *dif, void *destination, const void *source, size_t block_count);

/// Reads the 64 bytes of a descriptor, each once, as eight words in memory order.
void ck_load_descriptor(const void *source, uint64_t words[8]);

/// Writes the four words of a completion record, in memory order: the last three first, then that of the status with
/// release ordering and in one piece, so that who sees the status sees the rest (DSA 3.0 §3.6).
///
/// - Precondition: `destination` is a multiple of 8.
void ck_publish_record(void *destination, uint64_t word0, uint64_t word1, uint64_t word2, uint64_t word3);

#endif
