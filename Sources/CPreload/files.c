#include "files.h"

#include "lifetime.h"

_Atomic uint32_t swq_files_count;

static struct swq_file files[SWQ_FILES_MAX];
/// The record of each descriptor, counted from 1; 0 when it is not emulated.
static _Atomic uint16_t records[SWQ_DESCRIPTORS_MAX];

static bool lock(uint64_t *mask) {
    if (!swq_lifetime_begin()) return false;
    swq_lock(&atomic_load(&swq_lifetime)->files_lock, mask);
    return true;
}

static void unlock(const uint64_t *mask) { swq_unlock(&atomic_load(&swq_lifetime)->files_lock, mask); }

struct swq_file *swq_files_find_slow(int fd) {
    if (fd < 0 || fd >= SWQ_DESCRIPTORS_MAX) return NULL;
    uint16_t record = atomic_load_explicit(&records[fd], memory_order_acquire);
    return record == 0 ? NULL : &files[record - 1];
}

struct swq_file *swq_files_add(int fd, const struct swq_file *prototype) {
    uint64_t mask;
    if (fd < 0 || fd >= SWQ_DESCRIPTORS_MAX || !lock(&mask)) return NULL;
    struct swq_file *added = NULL;
    for (uint16_t i = 0; i < SWQ_FILES_MAX && !added; i++) {
        if (files[i].kind != SWQ_FILE_FREE) continue;
        added = &files[i];
        *added = *prototype;
        added->descriptors = 1;
        // A descriptor that was closed behind our back is not counted twice.
        if (records[fd] == 0) atomic_fetch_add(&swq_files_count, 1);
        atomic_store_explicit(&records[fd], (uint16_t)(i + 1), memory_order_release);
    }
    unlock(&mask);
    return added;
}

bool swq_files_duplicate(int fd, int copy) {
    uint64_t mask;
    struct swq_file *file = swq_files_find(fd);
    if (!file || fd == copy) return true;
    if (copy >= SWQ_DESCRIPTORS_MAX || !lock(&mask)) return false;
    file->descriptors++;
    if (records[copy] == 0) atomic_fetch_add(&swq_files_count, 1);
    atomic_store_explicit(&records[copy], (uint16_t)(file - files + 1), memory_order_release);
    unlock(&mask);
    return true;
}

bool swq_files_remove(int fd, struct swq_farewell *farewell) {
    uint64_t mask;
    struct swq_file *file = swq_files_find(fd);
    if (!file || !lock(&mask)) return false;
    atomic_store(&records[fd], 0);
    atomic_fetch_sub(&swq_files_count, 1);
    farewell->is_last = --file->descriptors == 0;
    farewell->file = *file;
    if (farewell->is_last && file->mappings == 0) file->kind = SWQ_FILE_FREE;
    unlock(&mask);
    return true;
}

int swq_files_next(int fd) {
    if (atomic_load(&swq_files_count) == 0) return -1;
    for (fd = fd < 0 ? 0 : fd; fd < SWQ_DESCRIPTORS_MAX; fd++) {
        if (atomic_load_explicit(&records[fd], memory_order_relaxed) != 0) return fd;
    }
    return -1;
}

void swq_files_map(struct swq_file *file) {
    uint64_t mask;
    if (!lock(&mask)) return;
    file->mappings++;
    unlock(&mask);
}

bool swq_files_unmap(uint64_t portal, struct swq_file *file) {
    uint64_t mask;
    bool is_last = false;
    if (!lock(&mask)) return false;
    for (int i = 0; i < SWQ_FILES_MAX; i++) {
        if (files[i].kind != SWQ_FILE_NODE || files[i].portal != portal || files[i].mappings == 0) continue;
        is_last = --files[i].mappings == 0 && files[i].descriptors == 0;
        *file = files[i];
        if (is_last) files[i].kind = SWQ_FILE_FREE;
        break;
    }
    unlock(&mask);
    return is_last;
}
