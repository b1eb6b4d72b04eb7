#ifndef FAILURE_H
#define FAILURE_H

/// Notes why a call fails and returns -1.
__attribute__((format(printf, 1, 2))) int bench_fail(const char *format, ...);

#endif
