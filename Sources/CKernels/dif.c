#include "CKernels.h"
#include "copying.h"
#include "guard.h"

enum { field_byte_count = 8 };

// DIF Flags, Source DIF Flags and Destination DIF Flags (DSA 3.0 §8.3.14, §8.3.15).
enum {
    invert_seed = 1 << 2,
    invert_result = 1 << 3,

    all_f_error = 1 << 0,
    all_f_detect = 1 << 1,
    application_f_detect = 1 << 2,
    application_and_reference_f_detect = 1 << 3,
    source_application_increments = 1 << 4,
    guard_check_disable = 1 << 5,
    reference_check_disable = 1 << 6,
    source_reference_fixed = 1 << 7,

    application_pass_through = 1 << 3,
    destination_application_increments = 1 << 4,
    guard_pass_through = 1 << 5,
    reference_pass_through = 1 << 6,
    destination_reference_fixed = 1 << 7,
};

// DIF Status.
enum {
    guard_mismatch = 1 << 0,
    application_mismatch = 1 << 1,
    reference_mismatch = 1 << 2,
    all_f_found = 1 << 3,
};

/// A data integrity field, read from memory once.
struct field {
    uint64_t raw;
    uint16_t guard, application;
    uint32_t reference;
};

static struct field load_field(const uint8_t *bytes) {
    uint64_t raw = ck_load64(bytes);
    __asm__ volatile("" : "+r"(raw));
    uint64_t value = __builtin_bswap64(raw);
    return (struct field){raw, (uint16_t)(value >> 48), (uint16_t)(value >> 32), (uint32_t)value};
}

static void store_field(uint8_t *bytes, uint16_t guard, uint16_t application, uint32_t reference) {
    uint64_t value = (uint64_t)guard << 48 | (uint64_t)application << 32 | reference;
    ck_store64(bytes, __builtin_bswap64(value));
}

static uint16_t guard_of(const struct ck_dif *dif, const uint8_t *data) {
    uint16_t seed = dif->flags & invert_seed ? 0xFFFF : 0;
    uint16_t crc = ck_guard(seed, data, dif->block_byte_count);
    return dif->flags & invert_result ? (uint16_t)~crc : crc;
}

static bool checks_guard(const struct ck_dif *dif) { return !(dif->source_flags & guard_check_disable); }

static bool checks_application(const struct ck_dif *dif) { return dif->source.application_mask != 0xFFFF; }

static bool checks_anything(const struct ck_dif *dif) {
    return checks_guard(dif) || checks_application(dif) || !(dif->source_flags & reference_check_disable);
}

/// Whether the field says that its block is not to be checked.
static bool is_exempt(const struct ck_dif *dif, struct field field) {
    unsigned flags = dif->source_flags;
    if (flags & all_f_detect && field.raw == UINT64_MAX) return true;
    if (field.application != 0xFFFF) return false;
    if (flags & application_f_detect) return true;
    return flags & application_and_reference_f_detect && field.reference == UINT32_MAX;
}

/// DIF Status of a block with `field`, whose data have the guard `guard`; 0 when it is good.
static unsigned status_of(const struct ck_dif *dif, struct field field, uint16_t guard) {
    unsigned flags = dif->source_flags;
    if ((flags & (all_f_error | all_f_detect)) == (all_f_error | all_f_detect) && field.raw == UINT64_MAX) {
        bool is_reported = checks_anything(dif) || !(dif->options & CK_DIF_ALL_F_NEEDS_CHECK);
        if (is_reported) return all_f_found;
    }
    if (is_exempt(dif, field)) return 0;
    unsigned status = 0;
    if (checks_guard(dif) && field.guard != guard) status |= guard_mismatch;
    if (!(flags & reference_check_disable) && field.reference != dif->source.reference) status |= reference_mismatch;
    if (checks_application(dif)) {
        uint16_t kept = (uint16_t)~dif->source.application_mask;
        uint16_t stored = dif->options & CK_DIF_MASK_STORED_TAG ? field.application & kept : field.application;
        if (stored != (dif->source.application & kept)) status |= application_mismatch;
    }
    return status;
}

static void advance_source(struct ck_dif *dif) {
    if (!(dif->source_flags & source_reference_fixed)) dif->source.reference++;
    if (dif->source_flags & source_application_increments) dif->source.application++;
}

static void advance_destination(struct ck_dif *dif) {
    if (!(dif->destination_flags & destination_reference_fixed)) dif->destination.reference++;
    if (dif->destination_flags & destination_application_increments) dif->destination.application++;
}

size_t ck_dif_check(struct ck_dif *dif, const void *source, size_t block_count) {
    const uint8_t *from = source;
    bool needs_guard = checks_guard(dif);
    for (size_t done = 0; done < block_count; done++) {
        uint16_t guard = needs_guard ? guard_of(dif, from) : 0;
        dif->status = (uint8_t)status_of(dif, load_field(from + dif->block_byte_count), guard);
        if (dif->status != 0) return done;
        advance_source(dif);
        from += dif->block_byte_count + field_byte_count;
    }
    return block_count;
}

size_t ck_dif_insert(struct ck_dif *dif, void *destination, const void *source, size_t block_count) {
    const uint8_t *from = source;
    uint8_t *to = destination;
    size_t byte_count = dif->block_byte_count;
    for (size_t done = 0; done < block_count; done++) {
        uint16_t guard = guard_of(dif, from);
        ck_copy(to, from, byte_count);
        uint16_t application = dif->destination.application & (uint16_t)~dif->destination.application_mask;
        store_field(to + byte_count, guard, application, dif->destination.reference);
        advance_destination(dif);
        from += byte_count;
        to += byte_count + field_byte_count;
    }
    return block_count;
}

size_t ck_dif_strip(struct ck_dif *dif, void *destination, const void *source, size_t block_count) {
    const uint8_t *from = source;
    uint8_t *to = destination;
    size_t byte_count = dif->block_byte_count;
    bool needs_guard = checks_guard(dif);
    for (size_t done = 0; done < block_count; done++) {
        uint16_t guard = needs_guard ? guard_of(dif, from) : 0;
        dif->status = (uint8_t)status_of(dif, load_field(from + byte_count), guard);
        if (dif->status != 0) return done;
        ck_copy(to, from, byte_count);
        advance_source(dif);
        from += byte_count + field_byte_count;
        to += byte_count;
    }
    return block_count;
}

size_t ck_dif_update(struct ck_dif *dif, void *destination, const void *source, size_t block_count) {
    const uint8_t *from = source;
    uint8_t *to = destination;
    size_t byte_count = dif->block_byte_count;
    unsigned passes = dif->destination_flags;
    bool needs_guard = checks_guard(dif) || !(passes & guard_pass_through);
    for (size_t done = 0; done < block_count; done++) {
        uint16_t guard = needs_guard ? guard_of(dif, from) : 0;
        struct field field = load_field(from + byte_count);
        dif->status = (uint8_t)status_of(dif, field, guard);
        if (dif->status != 0) return done;
        ck_copy(to, from, byte_count);
        uint16_t application = dif->destination.application & (uint16_t)~dif->destination.application_mask;
        store_field(
            to + byte_count, passes & guard_pass_through ? field.guard : guard,
            passes & application_pass_through ? field.application : application,
            passes & reference_pass_through ? field.reference : dif->destination.reference);
        advance_source(dif);
        advance_destination(dif);
        from += byte_count + field_byte_count;
        to += byte_count + field_byte_count;
    }
    return block_count;
}
