/// The daemon, as the library talks to it: one connection for each process, made when a DSA path is first touched.
///
/// Each call is one request and its reply, under a lock and with the thread's signals blocked, so that a handler that
/// opens a device cannot meet itself. Results are error numbers of the kernel: 0, or what the call that is being stood
/// in for fails with. EIO: the daemon is gone.

#ifndef SWQ_DAEMON_H
#define SWQ_DAEMON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    /// An attribute fits a page, as in the kernel.
    SWQ_ATTRIBUTE_BYTES = 4096,
    SWQ_NAME_BYTES = 64,
    /// No path of ours is longer; a longer one is not ours.
    SWQ_PATH_BYTES = 1024,
};

/// True when the environment names a daemon. Without one the library stays out of everything.
bool swq_daemon_is_named(void);

/// Connects, unless it is done. False: nobody listens; it is not tried again in this process.
bool swq_daemon_connect(void);

/// Connected by now, without trying.
bool swq_daemon_is_connected(void);

/// The directory that holds the emulated `sys` and `dev`, without a slash at the end; `length` gets its length. Empty
/// until connected. Constant from then on, in the children as well.
const char *swq_daemon_root(size_t *length);

/// `path` is below the root. At most SWQ_ATTRIBUTE_BYTES.
int swq_daemon_read_attribute(const char *path, char *text, size_t *count);
int swq_daemon_write_attribute(const char *path, const void *bytes, size_t count, size_t *written);

/// Opens a device node: `file` names it from then on, and `portal` is the address that submissions go to.
int swq_daemon_open_wq(const char *name, uint32_t *file, uint64_t *portal);
void swq_daemon_close_wq(uint32_t file, bool keeps_portal);
void swq_daemon_unmap_wq(uint32_t file);
int swq_daemon_poll_wq(uint32_t file, bool *readable);
int swq_daemon_write_wq(uint32_t file, const void *bytes, size_t count, size_t *written);

/// Whether a descriptor is one of the library's own, which the program did not open and must not close.
bool swq_daemon_owns(int fd);

/// Moves the library's descriptor out of the way of a program that wants its number.
bool swq_daemon_move(int fd);

/// The address space is another process's, lent by vfork: its tables are not to be changed.
bool swq_daemon_is_borrowed(void);

#endif
