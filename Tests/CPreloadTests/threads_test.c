/// Sites that many threads run for the first time at once: each submission arrives exactly once.

#define _GNU_SOURCE
#include <pthread.h>

#include "check.h"
#include "device.h"
#include "site.h"
#include "state.h"

uint64_t state_in[16], state_out[16], state_flags_in, state_flags_out;
uint8_t state_vectors_in[16][32], state_vectors_out[16][32];
uint8_t state_legacy_in[512] __attribute__((aligned(64))), state_legacy_out[512] __attribute__((aligned(64)));
uint64_t state_block[8];

enum { THREADS = 8, ROUNDS = 400 };

static pthread_barrier_t barrier;
static void *portal;
static _Atomic uint64_t sums[THREADS];

static enum swq_answer submit(enum swq_operation operation, uint64_t destination, const uint64_t words[8]) {
    if (operation != SWQ_ENQCMD || destination != DEVICE_DESTINATION) return SWQ_ANSWER_GONE;
    for (int i = 1; i < 8; i++) {
        if (words[i] != words[1]) return SWQ_ANSWER_GONE;
    }
    atomic_fetch_add(&sums[words[0]], words[1]);
    // The answer is the thread's own, so that a mixed-up one shows.
    return words[1] & 1 ? SWQ_ANSWER_RETRY : SWQ_ANSWER_ACCEPTED;
}

static void *run(void *context) {
    uint64_t self = (uint64_t)context, words[8] = {self};
    for (int site = 0; site < SMALL_SITE_COUNT; site++) {
        // All of them at a site that nobody has met.
        pthread_barrier_wait(&barrier);
        for (uint64_t round = 0; round < ROUNDS; round++) {
            for (int i = 1; i < 8; i++) words[i] = round + self;
            CHECK_EQUAL(small_sites[site](words, portal), (round + self) & 1);
        }
    }
    return NULL;
}

int main(void) {
    portal = device_open();
    atomic_store(&swq_submit, submit);
    pthread_t threads[THREADS];
    pthread_barrier_init(&barrier, NULL, THREADS);

    TEST("threads that race at an unpatched site each submit once and get their own answer");
    for (uint64_t i = 0; i < THREADS; i++) CHECK(pthread_create(&threads[i], NULL, run, (void *)i) == 0);
    for (int i = 0; i < THREADS; i++) CHECK(pthread_join(threads[i], NULL) == 0);
    for (uint64_t i = 0; i < THREADS; i++) {
        CHECK_EQUAL(sums[i], SMALL_SITE_COUNT * (ROUNDS * (uint64_t)(ROUNDS - 1) / 2 + ROUNDS * i));
    }

    TEST("every site ends as a jump, also across a cache line and a page");
    for (int i = 0; i < SMALL_SITE_COUNT; i++) CHECK_EQUAL(*(const uint8_t *)small_sites[i], 0xe9);
    return 0;
}
