/// Paths of the emulated files, and where they really are.

#ifndef SWQ_PATHS_H
#define SWQ_PATHS_H

#include <stdbool.h>
#include <stddef.h>

#include "daemon.h"

/// Where a path leads.
enum swq_place {
    /// Not ours.
    SWQ_PLACE_OUTSIDE,
    /// A directory, a link, or nothing: the tree on disk is what the program shall see.
    SWQ_PLACE_TREE,
    SWQ_PLACE_ATTRIBUTE,
    SWQ_PLACE_NODE,
};

/// True for a path that needs `swq_path_translate`; quick, and false for nearly all paths.
bool swq_path_is_candidate(int directory, const char *path);

/// The real path of what the program calls `path`, seen from `directory` (AT_FDCWD or a descriptor). False: not ours,
/// the call goes on as it is. Otherwise `real` is absolute.
bool swq_path_translate(int directory, const char *path, char real[SWQ_PATH_BYTES]);

/// Both in one: the path to use, and `*directory` to use it with.
const char *swq_path_real(int *directory, const char *path, char real[SWQ_PATH_BYTES]);

/// What a real path is, links followed unless `no_follow`. `name` gets the attribute's path below the root or the
/// node's WQ, and `mode` its permissions.
enum swq_place swq_path_classify(
    const char *real, bool no_follow, char name[SWQ_PATH_BYTES], unsigned int *mode);

/// Takes the root off a path of `length` bytes, in place, where it stands in front. Returns the new length.
size_t swq_path_strip(char *path, size_t length);

/// The working directory has changed, or may have.
void swq_path_directory_changed(void);

#endif
