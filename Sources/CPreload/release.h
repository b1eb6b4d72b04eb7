/// What happens to an emulated file when a descriptor of it goes.

#ifndef SWQ_RELEASE_H
#define SWQ_RELEASE_H

/// Stores what was written past the library, forgets the descriptor, and with the last one closes a node. The kernel's
/// descriptor stays open. 0, or the error number of the store.
int swq_release(int fd);

/// Stores what was written past the library to any attribute. 0, or the first error number.
int swq_settle_all(void);

#endif
