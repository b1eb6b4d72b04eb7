#include "maps.h"

#include <fcntl.h>
#include <sys/mman.h>

#include "syscalls.h"

/// A line is read up to its permissions, and the rest of it is skipped.
enum state { START, END, PERMISSIONS, REST };

struct parser {
    enum state state;
    int permission;
    struct swq_mapping mapping;
};

static uint64_t append_digit(uint64_t number, char digit) {
    return number << 4 | (uint64_t)(digit <= '9' ? digit - '0' : digit - 'a' + 10);
}

/// True when the mapping is complete.
static bool read_permission(struct parser *parser, char letter) {
    static const int protections[] = {PROT_READ, PROT_WRITE, PROT_EXEC};
    if (parser->permission < 3) {
        if (letter != '-') parser->mapping.protection |= protections[parser->permission];
        parser->permission++;
        return false;
    }
    parser->mapping.shared = letter == 's';
    return true;
}

/// True when the mapping is complete.
static bool read_letter(struct parser *parser, char letter) {
    switch (parser->state) {
    case START:
        if (letter == '-') {
            parser->state = END;
        } else {
            parser->mapping.start = append_digit(parser->mapping.start, letter);
        }
        return false;
    case END:
        if (letter == ' ') {
            parser->state = PERMISSIONS;
        } else {
            parser->mapping.end = append_digit(parser->mapping.end, letter);
        }
        return false;
    case PERMISSIONS:
        if (!read_permission(parser, letter)) return false;
        parser->state = REST;
        return true;
    case REST:
        if (letter == '\n') *parser = (struct parser){.state = START};
        return false;
    }
    return false;
}

bool swq_maps_visit(bool (*visit)(const struct swq_mapping *mapping, void *context), void *context) {
    long fd = swq_syscall4(SYS_openat, AT_FDCWD, (long)"/proc/self/maps", O_RDONLY | O_CLOEXEC, 0);
    if (fd < 0) return false;
    struct parser parser = {.state = START};
    char buffer[256];
    long count;
    bool wanted = true;
    while (wanted && (count = swq_syscall3(SYS_read, fd, (long)buffer, sizeof buffer)) > 0) {
        for (long i = 0; wanted && i < count; i++) {
            if (read_letter(&parser, buffer[i])) wanted = visit(&parser.mapping, context);
        }
    }
    swq_syscall1(SYS_close, fd);
    return true;
}
