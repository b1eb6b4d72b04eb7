#define _GNU_SOURCE

#include "CPlatform.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#ifndef SO_PEERPIDFD
#define SO_PEERPIDFD 77
#endif

_Static_assert(sizeof((struct sockaddr_un) {0}.sun_path) == PLATFORM_UNIX_PATH_MAX + 1, "sun_path");

union address {
    struct sockaddr any;
    struct sockaddr_un local;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
};

/// The length of the address, or 0 with ENAMETOOLONG.
static socklen_t unix_address(union address *address, const char *path, size_t length) {
    memset(address, 0, sizeof *address);
    address->local.sun_family = AF_UNIX;
    if (length == 0 || length > PLATFORM_UNIX_PATH_MAX) {
        errno = ENAMETOOLONG;
        return 0;
    }
    memcpy(address->local.sun_path, path, length);
    // An abstract name has exactly the bytes of its length; a path ends with the NUL that memset left.
    bool abstract = path[0] == '\0';
    return (socklen_t) (offsetof(struct sockaddr_un, sun_path) + length + (abstract ? 0 : 1));
}

static socklen_t loopback_address(union address *address, bool v6, uint16_t port) {
    memset(address, 0, sizeof *address);
    if (v6) {
        address->v6.sin6_family = AF_INET6;
        address->v6.sin6_addr = in6addr_loopback;
        address->v6.sin6_port = htons(port);
        return sizeof address->v6;
    }
    address->v4.sin_family = AF_INET;
    address->v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address->v4.sin_port = htons(port);
    return sizeof address->v4;
}

/// An interrupted connect goes on in the background; waiting for it is the only way to learn its result.
static int connect_to(int fd, const union address *address, socklen_t length) {
    if (connect(fd, &address->any, length) == 0) return 0;
    if (errno != EINTR) return -1;
    int result;
    do result = connect(fd, &address->any, length);
    while (result < 0 && (errno == EINTR || errno == EALREADY));
    return result < 0 && errno == EISCONN ? 0 : result;
}

static int set_option(int fd, int level, int option, int value) {
    return setsockopt(fd, level, option, &value, sizeof value);
}

static int option_of(int fd, int level, int option, int *value) {
    socklen_t length = sizeof *value;
    return getsockopt(fd, level, option, value, &length);
}

int platform_unix_socket(bool datagram, bool nonblocking) {
    int type = (datagram ? SOCK_DGRAM : SOCK_STREAM) | SOCK_CLOEXEC | (nonblocking ? SOCK_NONBLOCK : 0);
    return socket(AF_UNIX, type, 0);
}

int platform_unix_bind(int fd, const char *path, size_t length, unsigned int mode) {
    union address address;
    socklen_t size = unix_address(&address, path, length);
    if (size == 0) return -1;
    // Linux gives the new file the mode of the socket's own inode, so there is no moment at which it is wider.
    if (fchmod(fd, mode) < 0) return -1;
    return bind(fd, &address.any, size);
}

int platform_unix_connect(int fd, const char *path, size_t length) {
    union address address;
    socklen_t size = unix_address(&address, path, length);
    return size == 0 ? -1 : connect_to(fd, &address, size);
}

int platform_loopback_socket(bool v6, bool nonblocking) {
    int fd = socket(v6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC | (nonblocking ? SOCK_NONBLOCK : 0), 0);
    if (fd >= 0 && v6 && set_option(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1) < 0) {
        int code = errno;
        close(fd);
        errno = code;
        return -1;
    }
    return fd;
}

int platform_loopback_bind(int fd, bool v6, uint16_t port) {
    union address address;
    socklen_t size = loopback_address(&address, v6, port);
    if (set_option(fd, SOL_SOCKET, SO_REUSEADDR, 1) < 0) return -1;
    return bind(fd, &address.any, size);
}

int platform_loopback_connect(int fd, bool v6, uint16_t port) {
    union address address;
    socklen_t size = loopback_address(&address, v6, port);
    if (set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1) < 0) return -1;
    return connect_to(fd, &address, size);
}

int platform_accept(int fd, bool tcp) {
    int connection;
    do connection = accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    while (connection < 0 && errno == EINTR);
    // A connection that died while it waited refuses the option; the first read reports that better.
    if (connection >= 0 && tcp) (void) set_option(connection, IPPROTO_TCP, TCP_NODELAY, 1);
    return connection;
}

int platform_socket_describe(int fd, struct platform_socket *description) {
    memset(description, 0, sizeof *description);
    int type, listening;
    if (option_of(fd, SOL_SOCKET, SO_TYPE, &type) < 0) return -1;
    if (option_of(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening) < 0) return -1;
    description->stream = type == SOCK_STREAM;
    description->listening = listening != 0;

    union address address;
    memset(&address, 0, sizeof address);
    socklen_t size = sizeof address;
    if (getsockname(fd, &address.any, &size) < 0) return -1;
    switch (address.any.sa_family) {
    case AF_UNIX:
        description->family = PLATFORM_SOCKET_UNIX;
        if (size > offsetof(struct sockaddr_un, sun_path)) {
            size_t bytes = size - offsetof(struct sockaddr_un, sun_path);
            if (bytes > sizeof description->path) bytes = sizeof description->path;
            memcpy(description->path, address.local.sun_path, bytes);
            bool abstract = description->path[0] == '\0';
            description->path_length = abstract ? bytes : strnlen(description->path, bytes);
        }
        break;
    case AF_INET:
        description->family = PLATFORM_SOCKET_IPV4;
        description->loopback = address.v4.sin_addr.s_addr == htonl(INADDR_LOOPBACK);
        description->port = ntohs(address.v4.sin_port);
        break;
    case AF_INET6:
        description->family = PLATFORM_SOCKET_IPV6;
        description->loopback = IN6_IS_ADDR_LOOPBACK(&address.v6.sin6_addr);
        description->port = ntohs(address.v6.sin6_port);
        break;
    default:
        description->family = PLATFORM_SOCKET_OTHER;
    }
    return 0;
}

int platform_peer_credentials(int fd, int32_t *pid, uint32_t *uid, uint32_t *gid) {
    struct ucred credentials;
    socklen_t length = sizeof credentials;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &length) < 0) return -1;
    *pid = credentials.pid;
    *uid = credentials.uid;
    *gid = credentials.gid;
    return 0;
}

int platform_peer_pidfd(int fd) {
    int pidfd;
    return option_of(fd, SOL_SOCKET, SO_PEERPIDFD, &pidfd) < 0 ? -1 : pidfd;
}

int platform_receive_timeout(int fd, uint32_t milliseconds) {
    struct timeval timeout = {.tv_sec = milliseconds / 1000, .tv_usec = (milliseconds % 1000) * 1000};
    return setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout);
}

int platform_send_buffer(int fd, int bytes) { return set_option(fd, SOL_SOCKET, SO_SNDBUF, bytes); }

union control {
    struct cmsghdr alignment;
    char bytes[CMSG_SPACE(PLATFORM_DESCRIPTORS_MAX * sizeof(int))];
};

ssize_t platform_receive(
    int fd, void *buffer, size_t length, int *fds, size_t room, size_t *count, bool *truncated
) {
    union control control;
    struct iovec vector = {.iov_base = buffer, .iov_len = length};
    struct msghdr message = {.msg_iov = &vector, .msg_iovlen = 1};
    if (room > PLATFORM_DESCRIPTORS_MAX) room = PLATFORM_DESCRIPTORS_MAX;
    ssize_t received;
    do {
        // CMSG_LEN, not CMSG_SPACE: its padding would let the kernel install one descriptor more than there is room.
        message.msg_control = room > 0 ? control.bytes : NULL;
        message.msg_controllen = room > 0 ? CMSG_LEN(room * sizeof(int)) : 0;
        received = recvmsg(fd, &message, MSG_CMSG_CLOEXEC);
    } while (received < 0 && errno == EINTR);
    *count = 0;
    *truncated = false;
    if (received < 0) return -1;
    *truncated = (message.msg_flags & MSG_CTRUNC) != 0;
    for (struct cmsghdr *header = CMSG_FIRSTHDR(&message); header; header = CMSG_NXTHDR(&message, header)) {
        if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) continue;
        size_t installed = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        memcpy(fds + *count, CMSG_DATA(header), installed * sizeof(int));
        *count += installed;
    }
    return received;
}

ssize_t platform_send(int fd, const void *buffer, size_t length, const int *fds, size_t count) {
    ssize_t sent;
    if (count == 0) {
        do sent = send(fd, buffer, length, MSG_NOSIGNAL);
        while (sent < 0 && errno == EINTR);
        return sent;
    }
    if (count > PLATFORM_DESCRIPTORS_MAX) {
        errno = EINVAL;
        return -1;
    }
    union control control;
    memset(&control, 0, CMSG_SPACE(count * sizeof(int)));
    struct iovec vector = {.iov_base = (void *) buffer, .iov_len = length};
    struct msghdr message = {
        .msg_iov = &vector,
        .msg_iovlen = 1,
        .msg_control = control.bytes,
        .msg_controllen = CMSG_SPACE(count * sizeof(int)),
    };
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(count * sizeof(int));
    memcpy(CMSG_DATA(header), fds, count * sizeof(int));
    do sent = sendmsg(fd, &message, MSG_NOSIGNAL);
    while (sent < 0 && errno == EINTR);
    return sent;
}
