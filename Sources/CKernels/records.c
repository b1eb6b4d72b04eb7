#include "CKernels.h"
#include "patterns.h"

void ck_load_descriptor(const void *source, uint64_t words[8]) {
    memcpy(words, source, 64);
    // The caller validates `words`; the compiler must not fetch a word again from memory that may have changed.
    __asm__ volatile("" : : "r"(words) : "memory");
}

void ck_publish_record(void *destination, uint64_t word0, uint64_t word1, uint64_t word2, uint64_t word3) {
    uint64_t *words = destination;
    words[1] = word1;
    words[2] = word2;
    words[3] = word3;
    __atomic_store_n(words, word0, __ATOMIC_RELEASE);
}
