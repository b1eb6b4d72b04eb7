/// Open attributes. The kernel's object is a file in memory with the attribute's text. What is written to it comes
/// here; where libc wrote past the library, it is found in the file and stored when that is flushed or closed.

#ifndef SWQ_ATTRIBUTE_H
#define SWQ_ATTRIBUTE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "files.h"

/// Opens the attribute `name` (below the root) whose mode is `mode`. The descriptor, or -1 with errno.
int swq_attribute_open(const char *name, unsigned int mode, int flags);

/// One store. The bytes taken, or -1 with errno.
ssize_t swq_attribute_write(struct swq_file *file, const void *bytes, size_t count);

/// To be called before the descriptor is read at its beginning: fetches the text anew. 0 or an error number.
int swq_attribute_refresh(int fd, struct swq_file *file);

/// Stores what was written past the library, if anything was. 0 or an error number.
int swq_attribute_settle(int fd, struct swq_file *file);

/// Recognises an attribute that another program has opened and left to this one, as a shell does for `cat > attribute`.
void swq_attribute_adopt(int fd);

#endif
