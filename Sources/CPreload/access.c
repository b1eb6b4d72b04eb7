#include "access.h"

extern const char swq_access_begin[] __attribute__((visibility("hidden")));
extern const char swq_access_end[] __attribute__((visibility("hidden")));
extern const char swq_access_failed[] __attribute__((visibility("hidden")));

uint64_t swq_access_resume(uint64_t rip) {
    bool inside = rip >= (uint64_t)swq_access_begin && rip < (uint64_t)swq_access_end;
    return inside ? (uint64_t)swq_access_failed : 0;
}
