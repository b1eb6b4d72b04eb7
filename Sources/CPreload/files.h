/// The program's descriptors whose files are emulated: attributes and device nodes.
///
/// Each is a real descriptor of the kernel with a record beside it. Descriptors that were duplicated share the record,
/// as they share the open file. A child of fork has a copy of the table; a child of vfork has the table itself, and
/// therefore must not change it (`swq_daemon_is_borrowed`).

#ifndef SWQ_FILES_H
#define SWQ_FILES_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    /// Descriptors from here on are never emulated.
    SWQ_DESCRIPTORS_MAX = 65536,
    /// Files that are open at once.
    SWQ_FILES_MAX = 1024,
    SWQ_FILE_NAME_BYTES = 256,
};

enum swq_file_kind { SWQ_FILE_FREE = 0, SWQ_FILE_ATTRIBUTE, SWQ_FILE_NODE };

struct swq_file {
    /// An `enum swq_file_kind`.
    uint8_t kind;
    bool readable;
    bool writable;
    /// Descriptors of this process.
    uint32_t descriptors;
    /// Of an attribute its path below the root, of a node the WQ's name.
    char name[SWQ_FILE_NAME_BYTES];

    // Attributes.
    /// What reading fails with, or 0.
    int read_error;
    /// The text was read when the file was opened and has not been given out.
    bool is_fresh;
    /// The text as it was put into the kernel's object, to see what a write that passed by has changed.
    size_t text_count;
    uint64_t text_hash;

    // Nodes.
    /// The process that opened it; others have only a copy of the descriptor.
    int32_t process;
    /// The daemon's number of the file, and the address of its portal.
    uint32_t number;
    uint64_t portal;
    /// Mappings of the portal in this process. A file that is closed lives on until the last is gone.
    uint32_t mappings;
};

/// Descriptors that are emulated in this process. 0: nothing needs to be looked up.
extern _Atomic uint32_t swq_files_count;

/// The file of a descriptor, or NULL. Stays valid while the descriptor is open.
struct swq_file *swq_files_find_slow(int fd);
static inline struct swq_file *swq_files_find(int fd) {
    if (__builtin_expect(atomic_load_explicit(&swq_files_count, memory_order_acquire) == 0, 1)) return NULL;
    return swq_files_find_slow(fd);
}

/// Makes `fd` a descriptor of a new file with what `prototype` says. NULL: too many files, or too high a descriptor.
struct swq_file *swq_files_add(int fd, const struct swq_file *prototype);

/// Makes `copy` another descriptor of the file of `fd`, if that has one. False: too high a descriptor.
bool swq_files_duplicate(int fd, int copy);

/// What is left of a file whose last descriptor is gone, for the caller to finish.
struct swq_farewell {
    bool is_last;
    struct swq_file file;
};

/// Forgets that `fd` is emulated. False: it was not.
bool swq_files_remove(int fd, struct swq_farewell *farewell);

/// The lowest emulated descriptor that is at least `fd`, or -1.
int swq_files_next(int fd);

/// Counts a mapping of a node's portal.
void swq_files_map(struct swq_file *file);

/// Takes one back, by the portal's address. True when that was the last of a file without descriptors.
bool swq_files_unmap(uint64_t portal, struct swq_file *file);

#endif
