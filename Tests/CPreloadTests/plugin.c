/// A library that the process test opens, closes and opens again.

int plugin_submit(const void *source, void *portal);

int plugin_submit(const void *source, void *portal) {
    unsigned char retry;
    __asm__ volatile("enqcmd (%1), %2; setz %0" : "=r"(retry) : "r"(source), "r"(portal) : "cc", "memory");
    return retry;
}
