/// The program's own handlers and masks, with the library's handlers in front of them.

#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <ucontext.h>

#include "check.h"
#include "device.h"

static void *portal;
static uint64_t source[8] __attribute__((aligned(64)));

/// A site of its own for each line that uses it.
#define SUBMIT() __asm__ volatile("enqcmd (%0), %1" : : "r"(source), "r"(portal) : "cc", "memory")
#define UD2() __asm__ volatile("ud2")

static volatile int handled, handled_code, on_alternate_stack;
static volatile uint64_t handled_rip;
static sigjmp_buf back;
static char alternate_stack[65536];

static void skip_ud2(int number, siginfo_t *info, void *context) {
    greg_t *registers = ((ucontext_t *)context)->uc_mcontext.gregs;
    char here;
    handled = number;
    handled_code = info->si_code;
    handled_rip = (uint64_t)registers[REG_RIP];
    on_alternate_stack = &here >= alternate_stack && &here < alternate_stack + sizeof alternate_stack;
    if (info->si_code > 0) registers[REG_RIP] += 2;
}

static void jump_back(int number) {
    handled = number;
    siglongjmp(back, 1);
}

static void submit_inside(int number) {
    handled = number;
    SUBMIT();
}

static void submit_elsewhere(int number) {
    handled = number;
    SUBMIT();
}

static void set_handler(int number, void (*handler)(int, siginfo_t *, void *), int flags) {
    struct sigaction action = {.sa_sigaction = handler, .sa_flags = flags | SA_SIGINFO};
    CHECK(sigaction(number, &action, NULL) == 0);
}

/// Runs `body` in a child and returns how it ended, as waitpid says.
static int ending_of(void (*body)(void)) {
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        body();
        _exit(0);
    }
    int status;
    CHECK(waitpid(child, &status, 0) == child);
    return status;
}
static int signal_of(void (*body)(void)) {
    int status = ending_of(body);
    return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

static void die_of_ud2(void) { UD2(); }
static volatile uint64_t unmapped = 16;
static void die_of_null(void) { *(volatile int *)unmapped = 1; }
static void die_of_sent(void) { raise(SIGSEGV); }
static void ignore_sent(void) { signal(SIGSEGV, SIG_IGN), raise(SIGSEGV); }
static void ignore_real(void) { signal(SIGSEGV, SIG_IGN), die_of_null(); }
static void ignore_source(void) {
    signal(SIGSEGV, SIG_IGN);
    __asm__ volatile("enqcmd (%0), %1" : : "r"(16l), "r"(portal) : "cc", "memory");
}
static volatile uint64_t depth = UINT64_MAX;
static void use_stack(uint64_t left) {
    volatile char page[4096];
    page[0] = 1;
    if (left > 0) use_stack(left - 1);
    page[1] = page[0];
}
static void overflow_stack(void) { use_stack(depth); }

static void *submit_in_thread(void *unused) {
    SUBMIT();
    return unused;
}

static void masks(void) {
    sigset_t all, both, now;
    sigfillset(&all);
    sigemptyset(&both);
    sigaddset(&both, SIGILL), sigaddset(&both, SIGSEGV);

    TEST("a thread that has blocked every signal submits, and reads back the mask that it set");
    CHECK(sigprocmask(SIG_SETMASK, &all, NULL) == 0);
    uint64_t count = device.count;
    SUBMIT();
    CHECK_EQUAL(device.count, count + 1);
    CHECK(sigprocmask(SIG_BLOCK, NULL, &now) == 0);
    CHECK(sigismember(&now, SIGILL) == 1 && sigismember(&now, SIGSEGV) == 1 && sigismember(&now, SIGTERM) == 1);
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, submit_in_thread, NULL) == 0 && pthread_join(thread, NULL) == 0);
    CHECK_EQUAL(device.count, count + 2);
    CHECK(pthread_sigmask(SIG_UNBLOCK, &both, &now) == 0);
    CHECK(sigismember(&now, SIGILL) == 1);
    CHECK(pthread_sigmask(SIG_BLOCK, &both, &now) == 0);
    CHECK(sigismember(&now, SIGILL) == 0 && sigismember(&now, SIGSEGV) == 0 && sigismember(&now, SIGTERM) == 1);
    sigemptyset(&all);
    CHECK(sigprocmask(SIG_SETMASK, &all, &now) == 0);
    CHECK(sigismember(&now, SIGILL) == 1);
    CHECK(sigprocmask(SIG_SETMASK, NULL, &now) == 0);
    CHECK(sigisemptyset(&now));

    TEST("a handler whose action blocks every signal submits, and its action is given back as it was set");
    struct sigaction action = {.sa_handler = submit_inside}, old;
    sigfillset(&action.sa_mask);
    CHECK(sigaction(SIGUSR1, &action, NULL) == 0);
    count = device.count;
    raise(SIGUSR1);
    CHECK_EQUAL(device.count, count + 1);
    CHECK(sigaction(SIGUSR1, NULL, &old) == 0);
    CHECK(old.sa_handler == submit_inside && sigismember(&old.sa_mask, SIGILL) == 1);

    TEST("a handler that runs during sigsuspend with every other signal blocked submits");
    sigset_t usr1, others;
    sigemptyset(&usr1), sigaddset(&usr1, SIGUSR1);
    CHECK(sigprocmask(SIG_BLOCK, &usr1, NULL) == 0);
    action.sa_handler = submit_elsewhere;
    CHECK(sigaction(SIGUSR1, &action, NULL) == 0);
    raise(SIGUSR1);
    sigfillset(&others), sigdelset(&others, SIGUSR1);
    count = device.count;
    CHECK(sigsuspend(&others) == -1 && errno == EINTR);
    CHECK_EQUAL(device.count, count + 1);
    CHECK(sigprocmask(SIG_UNBLOCK, &usr1, NULL) == 0);

    TEST("wrong arguments are refused as without the library");
    CHECK(sigprocmask(99, &both, NULL) == -1 && errno == EINVAL);
    CHECK_EQUAL(pthread_sigmask(99, &both, NULL), EINVAL);
    CHECK(sigaction(0, &action, NULL) == -1 && errno == EINVAL);
    CHECK(sigaction(SIGKILL, &action, NULL) == -1 && errno == EINVAL);
    CHECK(signal(SIGILL, SIG_ERR) == SIG_ERR && errno == EINVAL);
}

static void handlers(void) {
    TEST("the program's handler of SIGILL gets its own ud2, with its context, and goes on from there");
    set_handler(SIGILL, skip_ud2, 0);
    UD2();
    CHECK(handled == SIGILL && handled_code == ILL_ILLOPN);
    CHECK(memcmp((void *)handled_rip, "\x0f\x0b", 2) == 0);
    uint64_t count = device.count;
    handled = 0;
    SUBMIT();
    CHECK(handled == 0 && device.count == count + 1);

    TEST("sigaction and signal give back the program's own action");
    struct sigaction old;
    CHECK(sigaction(SIGILL, NULL, &old) == 0);
    CHECK(old.sa_sigaction == skip_ud2 && (old.sa_flags & (SA_SIGINFO | SA_NODEFER)) == SA_SIGINFO);
    CHECK(signal(SIGILL, jump_back) == (__sighandler_t)(void *)skip_ud2);
    CHECK(signal(SIGILL, jump_back) == jump_back);

    TEST("a handler may leave by siglongjmp, again and again");
    for (volatile int i = 0; i < 3; i++) {
        handled = 0;
        if (sigsetjmp(back, 1) == 0) UD2();
        CHECK_EQUAL(handled, SIGILL);
    }

    TEST("SA_RESETHAND: the second ud2 kills");
    set_handler(SIGILL, skip_ud2, SA_RESETHAND);
    handled = 0;
    UD2();
    CHECK_EQUAL(handled, SIGILL);
    CHECK(sigaction(SIGILL, NULL, &old) == 0 && old.sa_handler == SIG_DFL);
    CHECK_EQUAL(signal_of(die_of_ud2), SIGILL);

    TEST("SA_ONSTACK: the handler runs on the alternate stack, and only with the flag");
    stack_t stack = {.ss_sp = alternate_stack, .ss_size = sizeof alternate_stack};
    CHECK(sigaltstack(&stack, NULL) == 0);
    set_handler(SIGILL, skip_ud2, SA_ONSTACK);
    UD2();
    CHECK_EQUAL(on_alternate_stack, 1);
    set_handler(SIGILL, skip_ud2, 0);
    UD2();
    CHECK_EQUAL(on_alternate_stack, 0);

    TEST("a signal that a process sends reaches the handler, and is no fault");
    set_handler(SIGSEGV, skip_ud2, 0);
    handled = 0;
    raise(SIGSEGV);
    CHECK(handled == SIGSEGV && handled_code == SI_TKILL);

    TEST("without a handler a fault and a sent signal kill as they do without the library");
    signal(SIGSEGV, SIG_DFL), signal(SIGILL, SIG_DFL);
    CHECK_EQUAL(signal_of(die_of_ud2), SIGILL);
    CHECK_EQUAL(signal_of(die_of_null), SIGSEGV);
    CHECK_EQUAL(signal_of(die_of_sent), SIGSEGV);
    CHECK_EQUAL(signal_of(overflow_stack), SIGSEGV);

    TEST("an ignored signal is ignored when sent, and kills when it is a fault");
    CHECK_EQUAL(ending_of(ignore_sent), 0);
    CHECK_EQUAL(signal_of(ignore_real), SIGSEGV);
    CHECK_EQUAL(signal_of(ignore_source), SIGSEGV);
}

int main(void) {
    TEST("an action set before the library takes the signals over is kept");
    signal(SIGILL, jump_back);
    portal = device_open();
    if (sigsetjmp(back, 1) == 0) UD2();
    CHECK_EQUAL(handled, SIGILL);
    masks();
    handlers();
    return 0;
}
