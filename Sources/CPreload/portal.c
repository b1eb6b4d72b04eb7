#include "portal.h"

#include "lifetime.h"

enum { UNUSED = 0, FREED = 1 };

static uint32_t slot_of(uint64_t page) {
    return (uint32_t)((page >> 12) * 0x9e3779b1u) & (SWQ_PORTAL_SLOTS - 1);
}

static struct swq_portal_slot *find(struct swq_lifetime *lifetime, uint64_t page) {
    uint32_t slot = slot_of(page);
    for (uint32_t tried = 0; tried < SWQ_PORTAL_SLOTS; tried++) {
        struct swq_portal_slot *candidate = &lifetime->portals[(slot + tried) & (SWQ_PORTAL_SLOTS - 1)];
        uint64_t found = atomic_load_explicit(&candidate->page, memory_order_acquire);
        if (found == page) return candidate;
        if (found == UNUSED) return NULL;
    }
    return NULL;
}

uint64_t swq_portal_destination(uint64_t address) {
    struct swq_lifetime *lifetime = atomic_load_explicit(&swq_lifetime, memory_order_acquire);
    uint64_t page = address & ~(uint64_t)(SWQ_PORTAL_BYTES - 1);
    // The first page is UNUSED in the table and never mapped.
    if (!lifetime || page == 0) return 0;
    struct swq_portal_slot *slot = find(lifetime, page);
    if (!slot) return 0;
    return atomic_load_explicit(&slot->destination, memory_order_relaxed) + (address & (SWQ_PORTAL_BYTES - 1));
}

bool swq_portal_add(uint64_t page, uint64_t destination) {
    struct swq_lifetime *lifetime = atomic_load(&swq_lifetime);
    if (!lifetime) return false;
    bool added = false;
    uint64_t mask;
    swq_lock(&lifetime->portal_lock, &mask);
    struct swq_portal_slot *slot = find(lifetime, page);
    if (!slot && lifetime->portal_count < SWQ_PORTALS_MAX) {
        uint32_t at = slot_of(page);
        while (lifetime->portals[at].page > FREED) at = (at + 1) & (SWQ_PORTAL_SLOTS - 1);
        slot = &lifetime->portals[at];
        lifetime->portal_count++;
    }
    if (slot) {
        atomic_store_explicit(&slot->destination, destination, memory_order_relaxed);
        atomic_store_explicit(&slot->page, page, memory_order_release);
        added = true;
    }
    swq_unlock(&lifetime->portal_lock, &mask);
    return added;
}

uint64_t swq_portal_remove(uint64_t page) {
    struct swq_lifetime *lifetime = atomic_load(&swq_lifetime);
    if (!lifetime || page == 0) return 0;
    uint64_t destination = 0, mask;
    swq_lock(&lifetime->portal_lock, &mask);
    struct swq_portal_slot *slot = find(lifetime, page);
    if (slot) {
        destination = slot->destination;
        uint32_t at = (uint32_t)(slot - lifetime->portals);
        uint32_t next = (at + 1) & (SWQ_PORTAL_SLOTS - 1);
        // A freed slot keeps the chain behind it; at a chain's end it, and the freed ones before it, are unused again.
        slot->page = FREED;
        if (lifetime->portals[next].page == UNUSED) {
            while (lifetime->portals[at].page == FREED) {
                lifetime->portals[at].page = UNUSED;
                at = (at - 1) & (SWQ_PORTAL_SLOTS - 1);
            }
        }
        lifetime->portal_count--;
    }
    swq_unlock(&lifetime->portal_lock, &mask);
    return destination;
}

uint64_t swq_portal_remove_within(uint64_t start, size_t length, uint64_t *destination) {
    struct swq_lifetime *lifetime = atomic_load(&swq_lifetime);
    if (swq_portal_count() == 0 || length == 0) return 0;
    uint64_t end = start + ((length + SWQ_PORTAL_BYTES - 1) & ~(uint64_t)(SWQ_PORTAL_BYTES - 1));
    for (uint32_t slot = 0; slot < SWQ_PORTAL_SLOTS; slot++) {
        uint64_t page = lifetime->portals[slot].page;
        if (page <= FREED || page < start || page >= end) continue;
        *destination = swq_portal_remove(page);
        if (*destination != 0) return page;
    }
    return 0;
}

uint32_t swq_portal_count(void) {
    struct swq_lifetime *lifetime = atomic_load_explicit(&swq_lifetime, memory_order_acquire);
    return lifetime ? atomic_load_explicit(&lifetime->portal_count, memory_order_relaxed) : 0;
}
