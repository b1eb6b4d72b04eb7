#include "release.h"

#include "attribute.h"
#include "files.h"
#include "node.h"

int swq_release(int fd) {
    struct swq_file *file = swq_files_find(fd);
    if (!file) return 0;
    int error = file->kind == SWQ_FILE_ATTRIBUTE ? swq_attribute_settle(fd, file) : 0;
    struct swq_farewell farewell;
    if (swq_files_remove(fd, &farewell) && farewell.is_last && farewell.file.kind == SWQ_FILE_NODE)
        swq_node_close(&farewell.file);
    return error;
}

int swq_settle_all(void) {
    int first = 0;
    for (int fd = swq_files_next(0); fd >= 0; fd = swq_files_next(fd + 1)) {
        struct swq_file *file = swq_files_find(fd);
        int error = file && file->kind == SWQ_FILE_ATTRIBUTE ? swq_attribute_settle(fd, file) : 0;
        if (first == 0) first = error;
    }
    return first;
}
