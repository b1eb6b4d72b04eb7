#include <isa-l/crc.h>

#include "CKernels.h"
#include "copying.h"
#include "reflection.h"

// ISA-L keeps the register bit-reflected and leaves inversion to the caller. The specification's register is the other
// way round (appendix A), so the seed and result that bypass inversion are reversed here, and so is each byte that
// bypasses data reflection.

enum {
    /// Bytes that pass through the private buffer at a time.
    reversal_byte_count = 4096,
    /// Copied, then read back for the CRC while still in the L1 cache: both copies and what comes after them fit there.
    copy_block_byte_count = 2048,
};

static uint32_t reversed32(uint32_t value) { return __builtin_bitreverse32(value); }

/// Continues the reflected register over `byte_count` bytes.
static uint32_t update(uint32_t register_, const uint8_t *bytes, size_t byte_count) {
    // ISA-L counts in int.
    const size_t most = (size_t)1 << 30;
    while (byte_count > 0) {
        size_t part = byte_count < most ? byte_count : most;
        register_ = crc32_iscsi((unsigned char *)bytes, (int)part, register_);
        bytes += part;
        byte_count -= part;
    }
    return register_;
}

/// Continues the reflected register over bytes that enter most significant bit first.
static uint32_t update_unreflected(uint32_t register_, const uint8_t *bytes, size_t byte_count) {
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

uint32_t ck_crc32c(uint32_t seed, const void *data, size_t byte_count, unsigned flags) {
    uint32_t register_ = flags & CK_CRC_BYPASS_INVERSION ? reversed32(seed) : ~seed;
    register_ = flags & CK_CRC_BYPASS_DATA_REFLECTION ? update_unreflected(register_, data, byte_count)
                                                      : update(register_, data, byte_count);
    return flags & CK_CRC_BYPASS_INVERSION ? reversed32(register_) : ~register_;
}

uint32_t ck_copy_crc32c(uint32_t seed, void *destination, const void *source, size_t byte_count, unsigned flags) {
    uint8_t *to = destination;
    const uint8_t *from = source;
    uint32_t crc = seed;
    while (byte_count > 0) {
        size_t part = byte_count < copy_block_byte_count ? byte_count : copy_block_byte_count;
        ck_copy(to, from, part);
        crc = ck_crc32c(crc, to, part, flags);
        to += part;
        from += part;
        byte_count -= part;
    }
    return crc;
}
