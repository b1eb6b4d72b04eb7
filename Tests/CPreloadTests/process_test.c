/// fork, vfork, exec and dlopen.

#define _GNU_SOURCE
#include <dlfcn.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "check.h"
#include "device.h"
#include "lifetime.h"
#include "portal.h"

static void *portal;
static uint64_t source[8] __attribute__((aligned(64)));

static int submit(void *page) {
    uint8_t retry;
    __asm__ volatile("enqcmd (%1), %2; setz %0" : "=r"(retry) : "r"(source), "r"(page) : "cc", "memory");
    return retry;
}

static int status_of(pid_t child) {
    int status;
    CHECK(waitpid(child, &status, 0) == child);
    return status;
}

static _Atomic int stop;
static void *keep_submitting(void *unused) {
    while (!atomic_load(&stop)) submit(portal);
    return unused;
}

static void forks(void) {
    TEST("a portal is not inherited over fork: the child faults, and the parent goes on");
    submit(portal);
    pid_t child = fork();
    if (child == 0) {
        submit(portal);
        _exit(0);
    }
    int status = status_of(child);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
    uint64_t count = device.count;
    submit(portal);
    CHECK_EQUAL(device.count, count + 1);

    TEST("children that are forked while threads submit find free locks, and submit to portals of their own");
    pthread_t threads[2];
    for (int i = 0; i < 2; i++) CHECK(pthread_create(&threads[i], NULL, keep_submitting, NULL) == 0);
    for (int i = 0; i < 50; i++) {
        child = fork();
        if (child == 0) {
            void *own = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
            if (swq_portal_count() != 0 || !swq_portal_add((uint64_t)own, DEVICE_DESTINATION)) _exit(1);
            uint64_t before = device.count;
            submit(own);
            _exit(device.count == before + 1 && swq_portal_count() == 1 ? 0 : 2);
        }
        CHECK_EQUAL(status_of(child), 0);
    }
    stop = 1;
    for (int i = 0; i < 2; i++) CHECK(pthread_join(threads[i], NULL) == 0);

    TEST("a child of vfork shares the address space, and so its portals");
    count = device.count;
    child = vfork();
    if (child == 0) {
        submit(portal);
        _exit(0);
    }
    CHECK_EQUAL(status_of(child), 0);
    CHECK_EQUAL(device.count, count + 1);
}

static void loads(const char *plugin) {
    TEST("code that dlopen brings submits, also when it was unloaded and comes back");
    for (int i = 0; i < 3; i++) {
        void *library = dlopen(plugin, RTLD_NOW);
        CHECK(library);
        int (*plugin_submit)(const void *, void *);
        *(void **)&plugin_submit = dlsym(library, "plugin_submit");
        CHECK(plugin_submit);
        for (int round = 0; round < 3; round++) {
            uint64_t count = device.count;
            device.answer = round & 1 ? SWQ_ANSWER_RETRY : SWQ_ANSWER_ACCEPTED;
            CHECK_EQUAL(plugin_submit(source, portal), round & 1);
            CHECK_EQUAL(device.count, count + 1);
        }
        CHECK(dlclose(library) == 0);
    }
    device.answer = SWQ_ANSWER_ACCEPTED;

    TEST("code that may not be written goes on trapping");
    static const uint8_t code[] = {0xf2, 0x0f, 0x38, 0xf8, 0x3e, 0xc3};
    // A shared mapping: writing there would change the file.
    int file = memfd_create("code", 0);
    CHECK(write(file, code, sizeof code) == sizeof code);
    void *shared = mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_SHARED, file, 0);
    CHECK(shared != MAP_FAILED);
    void (*call)(void *, const void *);
    *(void **)&call = shared;
    uint64_t count = device.count;
    for (int i = 0; i < 3; i++) call(portal, source);
    CHECK_EQUAL(device.count, count + 3);
    CHECK(memcmp(shared, code, sizeof code) == 0);
}

int main(int count, char **arguments) {
    CHECK(count == 2);
    portal = device_open();
    forks();
    loads(arguments[1]);
    return 0;
}
