#include "CKernels.h"
#include "patterns.h"

void ck_load_descriptor(const void *source, uint64_t words[8]) {
    memcpy(words, source, 64);
    // The caller validates `words`; the compiler must not fetch a word again from memory that may have changed.
    __asm__ volatile("" : : "r"(words) : "memory");
}

void ck_publish_record(void *destination, const uint64_t words[4]) {
    uint8_t *bytes = destination;
    const uint8_t *record = (const uint8_t *)words;
    memcpy(bytes + 1, record + 1, 31);
    __atomic_store_n(bytes, record[0], __ATOMIC_RELEASE);
}
