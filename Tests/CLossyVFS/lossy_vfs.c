#include "lossy_vfs.h"

#include <pthread.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>

enum { sector_bytes = 512 };

/// A write or a truncation (no data) that was not synced.
struct change {
    struct change *next;
    sqlite3_int64 offset;
    int length;
    unsigned char data[];
};

/// What the operating system would hold of one file, shared by all handles to it.
struct image {
    struct image *next;
    lossy_disk *disk;
    char *path;
    int handles;
    unsigned char *bytes;
    sqlite3_int64 size, capacity;
    struct change *first, **last;
};

struct lossy_disk {
    lossy_disk *next;
    char *directory;
    size_t directory_length;
    struct image *images;
    int cut, cut_armed;
    enum lossy_cut cut_kind;
    uint64_t cut_after, random;
    int64_t limit;
    uint64_t syncs, writes;
};

struct lossy_file {
    sqlite3_file base;
    struct image *image;
    sqlite3_file *real;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static sqlite3_vfs *under;
static lossy_disk *disks;

static struct lossy_file *as_lossy(sqlite3_file *file) { return (struct lossy_file *)file; }

// Images

static int reserve(struct image *image, sqlite3_int64 size) {
    if (size <= image->capacity) return SQLITE_OK;
    sqlite3_int64 capacity = image->capacity ? image->capacity : 65536;
    while (capacity < size) capacity *= 2;
    unsigned char *bytes = realloc(image->bytes, (size_t)capacity);
    if (!bytes) return SQLITE_IOERR_NOMEM;
    memset(bytes + image->capacity, 0, (size_t)(capacity - image->capacity));
    image->bytes = bytes;
    image->capacity = capacity;
    return SQLITE_OK;
}

static int log_change(struct image *image, const void *data, int length, sqlite3_int64 offset) {
    struct change *change = malloc(sizeof *change + (size_t)length);
    if (!change) return SQLITE_IOERR_NOMEM;
    change->next = NULL;
    change->offset = offset;
    change->length = length;
    if (length) memcpy(change->data, data, (size_t)length);
    *image->last = change;
    image->last = &change->next;
    return SQLITE_OK;
}

static void forget_changes(struct image *image) {
    while (image->first) {
        struct change *change = image->first;
        image->first = change->next;
        free(change);
    }
    image->last = &image->first;
}

/// Brings all changes to the file itself.
static int persist(struct image *image, sqlite3_file *real) {
    for (struct change *change = image->first; change; change = change->next) {
        int code = change->length
            ? real->pMethods->xWrite(real, change->data, change->length, change->offset)
            : real->pMethods->xTruncate(real, change->offset);
        if (code != SQLITE_OK) return code;
    }
    forget_changes(image);
    return SQLITE_OK;
}

static uint64_t next_random(lossy_disk *disk) {
    // SplitMix64
    uint64_t z = (disk->random += 0x9E3779B97F4A7C15u);
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
}

/// Keeps an arbitrary part of the changes.
static void tear(struct image *image, sqlite3_file *real) {
    for (struct change *change = image->first; change; change = change->next) {
        if (!change->length) {
            if (next_random(image->disk) & 1) real->pMethods->xTruncate(real, change->offset);
            continue;
        }
        for (int from = 0; from < change->length;) {
            sqlite3_int64 at = change->offset + from;
            int length = (int)(sector_bytes - at % sector_bytes);
            if (length > change->length - from) length = change->length - from;
            if (next_random(image->disk) & 1) real->pMethods->xWrite(real, change->data + from, length, at);
            from += length;
        }
    }
}

/// Opens the file beneath an image that has no handle of its own at hand.
static sqlite3_file *open_real(const char *path) {
    sqlite3_file *real = calloc(1, (size_t)under->szOsFile);
    if (!real) return NULL;
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_MAIN_DB, got;
    if (under->xOpen(under, path, real, flags, &got) != SQLITE_OK) {
        free(real);
        return NULL;
    }
    return real;
}

static void cut_power(lossy_disk *disk) {
    if (disk->cut) return;
    disk->cut = 1;
    disk->cut_armed = 0;
    if (disk->cut_kind != LOSSY_TEAR) return;
    for (struct image *image = disk->images; image; image = image->next) {
        sqlite3_file *real = image->first ? open_real(image->path) : NULL;
        if (!real) continue;
        tear(image, real);
        real->pMethods->xClose(real);
        free(real);
    }
}

static void free_image(struct image *image) {
    struct image **link = &image->disk->images;
    while (*link != image) link = &(*link)->next;
    *link = image->next;
    forget_changes(image);
    free(image->bytes);
    free(image->path);
    free(image);
}

static struct image *find_image(lossy_disk *disk, const char *path) {
    for (struct image *image = disk->images; image; image = image->next)
        if (!strcmp(image->path, path)) return image;
    return NULL;
}

static struct image *load_image(lossy_disk *disk, const char *path, sqlite3_file *real) {
    struct image *image = calloc(1, sizeof *image);
    if (!image) return NULL;
    image->disk = disk;
    image->last = &image->first;
    image->path = strdup(path);
    image->next = disk->images;
    disk->images = image;
    if (!image->path || real->pMethods->xFileSize(real, &image->size) != SQLITE_OK
        || reserve(image, image->size) != SQLITE_OK
        || (image->size && real->pMethods->xRead(real, image->bytes, (int)image->size, 0) != SQLITE_OK)) {
        free_image(image);
        return NULL;
    }
    return image;
}

// Files. Each takes the lock; after a power cut each fails, but for closing and unlocking.

static int lossy_close(sqlite3_file *file) {
    struct lossy_file *lossy = as_lossy(file);
    pthread_mutex_lock(&lock);
    if (--lossy->image->handles == 0) {
        // Closing is no sync: what was not synced is still the operating system's to write, which it does in the end.
        if (!lossy->image->disk->cut) persist(lossy->image, lossy->real);
        free_image(lossy->image);
    }
    pthread_mutex_unlock(&lock);
    int code = lossy->real->pMethods->xClose(lossy->real);
    free(lossy->real);
    return code;
}

static int lossy_read(sqlite3_file *file, void *buffer, int length, sqlite3_int64 offset) {
    struct image *image = as_lossy(file)->image;
    int code = SQLITE_OK;
    pthread_mutex_lock(&lock);
    if (image->disk->cut) {
        code = SQLITE_IOERR_READ;
    } else {
        sqlite3_int64 there = image->size > offset ? image->size - offset : 0;
        int copied = there < length ? (int)there : length;
        if (copied) memcpy(buffer, image->bytes + offset, (size_t)copied);
        if (copied < length) {
            memset((char *)buffer + copied, 0, (size_t)(length - copied));
            code = SQLITE_IOERR_SHORT_READ;
        }
    }
    pthread_mutex_unlock(&lock);
    return code;
}

static int lossy_write(sqlite3_file *file, const void *data, int length, sqlite3_int64 offset) {
    struct image *image = as_lossy(file)->image;
    lossy_disk *disk = image->disk;
    int code = SQLITE_OK;
    pthread_mutex_lock(&lock);
    disk->writes++;
    if (disk->cut_armed && disk->cut_after-- == 0) cut_power(disk);
    if (disk->cut) code = SQLITE_IOERR_WRITE;
    else if (disk->limit >= 0 && offset + length > disk->limit && offset + length > image->size) code = SQLITE_FULL;
    else if ((code = reserve(image, offset + length)) == SQLITE_OK
             && (code = log_change(image, data, length, offset)) == SQLITE_OK) {
        memcpy(image->bytes + offset, data, (size_t)length);
        if (image->size < offset + length) image->size = offset + length;
    }
    pthread_mutex_unlock(&lock);
    return code;
}

static int lossy_truncate(sqlite3_file *file, sqlite3_int64 size) {
    struct image *image = as_lossy(file)->image;
    int code = SQLITE_OK;
    pthread_mutex_lock(&lock);
    if (image->disk->cut) code = SQLITE_IOERR_TRUNCATE;
    else if ((code = log_change(image, NULL, 0, size)) == SQLITE_OK && size < image->size) {
        memset(image->bytes + size, 0, (size_t)(image->size - size));
        image->size = size;
    }
    pthread_mutex_unlock(&lock);
    return code;
}

static int lossy_sync(sqlite3_file *file, int flags) {
    struct lossy_file *lossy = as_lossy(file);
    struct image *image = lossy->image;
    int code = SQLITE_OK;
    (void)flags;
    pthread_mutex_lock(&lock);
    if (image->disk->cut) code = SQLITE_IOERR_FSYNC;
    else {
        image->disk->syncs++;
        // The file beneath is the disk: what reaches it counts as durable, so it needs no fsync of its own.
        code = persist(image, lossy->real);
    }
    pthread_mutex_unlock(&lock);
    return code;
}

static int lossy_file_size(sqlite3_file *file, sqlite3_int64 *size) {
    struct image *image = as_lossy(file)->image;
    pthread_mutex_lock(&lock);
    int cut = image->disk->cut;
    *size = image->size;
    pthread_mutex_unlock(&lock);
    return cut ? SQLITE_IOERR_FSTAT : SQLITE_OK;
}

static int lossy_file_control(sqlite3_file *file, int operation, void *argument) {
    sqlite3_file *real = as_lossy(file)->real;
    switch (operation) {
    // They change or map the file beneath, which must hold only what was synced.
    case SQLITE_FCNTL_SIZE_HINT:
    case SQLITE_FCNTL_CHUNK_SIZE:
    case SQLITE_FCNTL_MMAP_SIZE:
        return SQLITE_NOTFOUND;
    default:
        return real->pMethods->xFileControl(real, operation, argument);
    }
}

#define FORWARD(name, method, parameters, ...)                                \
    static int name parameters {                                              \
        sqlite3_file *real = as_lossy(file)->real;                            \
        return real->pMethods->method(real, ##__VA_ARGS__);                   \
    }

FORWARD(lossy_lock, xLock, (sqlite3_file *file, int level), level)
FORWARD(lossy_unlock, xUnlock, (sqlite3_file *file, int level), level)
FORWARD(lossy_check_reserved, xCheckReservedLock, (sqlite3_file *file, int *out), out)
FORWARD(lossy_sector_size, xSectorSize, (sqlite3_file *file))
FORWARD(lossy_characteristics, xDeviceCharacteristics, (sqlite3_file *file))
FORWARD(lossy_shm_map, xShmMap, (sqlite3_file *file, int page, int size, int extend, void volatile **out), page, size,
        extend, out)
FORWARD(lossy_shm_lock, xShmLock, (sqlite3_file *file, int offset, int count, int flags), offset, count, flags)
FORWARD(lossy_shm_unmap, xShmUnmap, (sqlite3_file *file, int remove), remove)

static void lossy_shm_barrier(sqlite3_file *file) {
    sqlite3_file *real = as_lossy(file)->real;
    real->pMethods->xShmBarrier(real);
}

/// Version 2: with shared memory, without mapped pages.
static const sqlite3_io_methods methods = {
    .iVersion = 2,
    .xClose = lossy_close,
    .xRead = lossy_read,
    .xWrite = lossy_write,
    .xTruncate = lossy_truncate,
    .xSync = lossy_sync,
    .xFileSize = lossy_file_size,
    .xLock = lossy_lock,
    .xUnlock = lossy_unlock,
    .xCheckReservedLock = lossy_check_reserved,
    .xFileControl = lossy_file_control,
    .xSectorSize = lossy_sector_size,
    .xDeviceCharacteristics = lossy_characteristics,
    .xShmMap = lossy_shm_map,
    .xShmLock = lossy_shm_lock,
    .xShmBarrier = lossy_shm_barrier,
    .xShmUnmap = lossy_shm_unmap,
};

// The VFS

static lossy_disk *find_disk(const char *path) {
    for (lossy_disk *disk = disks; path && disk; disk = disk->next)
        if (!strncmp(path, disk->directory, disk->directory_length) && path[disk->directory_length] == '/') return disk;
    return NULL;
}

static int vfs_open(sqlite3_vfs *vfs, const char *path, sqlite3_file *file, int flags, int *out) {
    (void)vfs;
    pthread_mutex_lock(&lock);
    lossy_disk *disk = find_disk(path);
    if (!disk) {
        pthread_mutex_unlock(&lock);
        return under->xOpen(under, path, file, flags, out);
    }
    struct lossy_file *lossy = as_lossy(file);
    memset(lossy, 0, sizeof *lossy);
    int code = SQLITE_CANTOPEN;
    if (!disk->cut && (lossy->real = calloc(1, (size_t)under->szOsFile))) {
        code = under->xOpen(under, path, lossy->real, flags, out);
        if (code == SQLITE_OK) {
            lossy->image = find_image(disk, path);
            if (!lossy->image) lossy->image = load_image(disk, path, lossy->real);
            if (lossy->image) {
                lossy->image->handles++;
                lossy->base.pMethods = &methods;
            } else {
                lossy->real->pMethods->xClose(lossy->real);
                code = SQLITE_IOERR_NOMEM;
            }
        }
        if (code != SQLITE_OK) free(lossy->real);
    }
    pthread_mutex_unlock(&lock);
    return code;
}

static int vfs_delete(sqlite3_vfs *vfs, const char *path, int sync_directory) {
    (void)vfs;
    pthread_mutex_lock(&lock);
    lossy_disk *disk = find_disk(path);
    int cut = disk && disk->cut;
    pthread_mutex_unlock(&lock);
    return cut ? SQLITE_IOERR_DELETE : under->xDelete(under, path, sync_directory);
}

static int vfs_access(sqlite3_vfs *vfs, const char *path, int flags, int *out) {
    (void)vfs;
    return under->xAccess(under, path, flags, out);
}

static int vfs_full_pathname(sqlite3_vfs *vfs, const char *path, int length, char *out) {
    (void)vfs;
    return under->xFullPathname(under, path, length, out);
}

static int install(void) {
    static sqlite3_vfs lossy;
    if (under) return SQLITE_OK;
    sqlite3_vfs *standard = sqlite3_vfs_find(NULL);
    if (!standard) return SQLITE_ERROR;
    lossy = *standard;
    lossy.zName = "lossy";
    lossy.pNext = NULL;
    if (lossy.szOsFile < (int)sizeof(struct lossy_file)) lossy.szOsFile = (int)sizeof(struct lossy_file);
    lossy.xOpen = vfs_open;
    lossy.xDelete = vfs_delete;
    lossy.xAccess = vfs_access;
    lossy.xFullPathname = vfs_full_pathname;
    under = standard;
    return sqlite3_vfs_register(&lossy, 1);
}

lossy_disk *lossy_disk_create(const char *directory) {
    pthread_mutex_lock(&lock);
    lossy_disk *disk = install() == SQLITE_OK ? calloc(1, sizeof *disk) : NULL;
    if (disk && (disk->directory = strdup(directory))) {
        disk->directory_length = strlen(directory);
        disk->limit = -1;
        disk->next = disks;
        disks = disk;
    }
    pthread_mutex_unlock(&lock);
    return disk;
}

void lossy_disk_cut_after(lossy_disk *disk, uint64_t writes, enum lossy_cut cut, uint64_t seed) {
    pthread_mutex_lock(&lock);
    disk->cut_armed = 1;
    disk->cut_after = writes;
    disk->cut_kind = cut;
    disk->random = seed;
    pthread_mutex_unlock(&lock);
}

void lossy_disk_cut(lossy_disk *disk, enum lossy_cut cut, uint64_t seed) {
    pthread_mutex_lock(&lock);
    disk->cut_kind = cut;
    disk->random = seed;
    cut_power(disk);
    pthread_mutex_unlock(&lock);
}

int lossy_disk_is_cut(lossy_disk *disk) {
    pthread_mutex_lock(&lock);
    int cut = disk->cut;
    pthread_mutex_unlock(&lock);
    return cut;
}

void lossy_disk_restore(lossy_disk *disk) {
    pthread_mutex_lock(&lock);
    disk->cut = 0;
    disk->cut_armed = 0;
    pthread_mutex_unlock(&lock);
}

void lossy_disk_limit(lossy_disk *disk, int64_t bytes) {
    pthread_mutex_lock(&lock);
    disk->limit = bytes;
    pthread_mutex_unlock(&lock);
}

uint64_t lossy_disk_syncs(lossy_disk *disk) {
    pthread_mutex_lock(&lock);
    uint64_t syncs = disk->syncs;
    pthread_mutex_unlock(&lock);
    return syncs;
}

uint64_t lossy_disk_writes(lossy_disk *disk) {
    pthread_mutex_lock(&lock);
    uint64_t writes = disk->writes;
    pthread_mutex_unlock(&lock);
    return writes;
}
