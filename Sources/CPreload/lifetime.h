/// What belongs to one process and must not be taken over by a child of fork.
///
/// It lies in pages that the kernel clears in the child (MADV_WIPEONFORK), whichever way the child was made: a lock
/// that another thread held is free there, there are no portals, and no connection. After vfork the pages are shared,
/// as the address space is.

#ifndef SWQ_LIFETIME_H
#define SWQ_LIFETIME_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "swq_ring.h"

enum {
    /// Portals that one process may have mapped at once.
    SWQ_PORTALS_MAX = 1024,
    /// Slots of the table of portals: a power of two, and at least twice as many.
    SWQ_PORTAL_SLOTS = 4096,
};

/// One slot of the table of portals: open addressing, by page.
struct swq_portal_slot {
    /// The page's address, 0 when never used, 1 when free again.
    _Atomic uint64_t page;
    /// The daemon's linear address of the portal.
    _Atomic uint64_t destination;
};

/// How far a process has come with the daemon.
enum swq_connection {
    SWQ_UNCONNECTED = 0,
    /// Nobody listens, or no daemon that could be talked to.
    SWQ_REFUSED,
    SWQ_CONNECTED,
    /// A process of the daemon with a ring: it may submit.
    SWQ_ATTACHED,
    /// The daemon is gone.
    SWQ_GONE,
};

struct swq_lifetime {
    /// The process whose life it is.
    int32_t process;
    /// An `enum swq_connection`.
    _Atomic uint32_t connection;
    /// The library's own descriptors; valid from SWQ_CONNECTED and from SWQ_ATTACHED on.
    int32_t socket;
    int32_t bell;
    /// Where submissions go; valid from SWQ_ATTACHED on.
    struct swq_ring ring;
    /// Who may talk to the daemon: 0 nobody does.
    _Atomic uint32_t daemon_lock;
    /// Who may change the table of portals, of descriptors, of signals, or a patched site.
    _Atomic uint32_t portal_lock;
    _Atomic uint32_t files_lock;
    _Atomic uint32_t sites_lock;
    _Atomic uint32_t claim_lock;
    /// Odd while the program's handlers change.
    _Atomic uint32_t signals_sequence;
    _Atomic uint32_t portal_count;
    struct swq_portal_slot portals[SWQ_PORTAL_SLOTS];
};

/// NULL until a DSA path was touched in this process or before its fork.
extern struct swq_lifetime *_Atomic swq_lifetime;

/// Makes it. False: no memory, or a kernel that cannot clear pages at fork (before Linux 4.14).
bool swq_lifetime_begin(void);

/// Takes a lock of the lifetime with every signal of the thread blocked, so that no handler can want it as well.
/// `mask` keeps what to give back.
void swq_lock(_Atomic uint32_t *lock, uint64_t *mask);
void swq_unlock(_Atomic uint32_t *lock, const uint64_t *mask);

/// Blocks every signal of the thread but those of faults.
void swq_signals_hold(uint64_t *mask);
void swq_signals_release(const uint64_t *mask);

#endif
