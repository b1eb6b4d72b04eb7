/// What every wrapper of a libc function needs.

#ifndef SWQ_INTERPOSE_H
#define SWQ_INTERPOSE_H

/// Visible to the program in place of libc's function of the same name.
#define SWQ_EXPORT __attribute__((visibility("default")))

#endif
