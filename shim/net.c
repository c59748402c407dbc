/*
 * net.c: sockets. Each function is: check, call, repeat on EINTR, answer the result or -errno. SIGPIPE cannot happen
 * (MSG_NOSIGNAL), and everything that is created is non-blocking and close-on-exec from the start. What every request
 * needs goes through syscall(): in a process with threads the wrappers of the C library are points where a thread may
 * be cancelled, which is paid for twice a call and used by nobody here.
 */
#include "check.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

#include <linux/sockios.h>

/* Above this many unsent bytes a TCP socket stops saying that it is writable. Without it the kernel's autotuned send
 * buffer (megabytes) leaves a slow but honest reader without any EPOLLOUT edge for most of a minute. */
#define NOTSENT_LOWAT_BYTES (128 * 1024)

union any_address {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
    struct sockaddr_un local;
};

static int32_t fail_and_close(int fd) {
    int saved = errno;
    close(fd);
    return -saved;
}

static int32_t bind_and_listen(int fd, const union any_address *address, socklen_t size, int32_t backlog) {
    if (bind(fd, &address->any, size) < 0 || listen(fd, backlog) < 0) return fail_and_close(fd);
    return fd;
}

int32_t sluice_listen_tcp(const void *address, int32_t capacity, int32_t port, int32_t v6only, int32_t backlog) {
    if (address == NULL) return -EFAULT;
    if (capacity != 4 && capacity != 16) return -EAFNOSUPPORT;
    if (port < 0 || port > 65535 || v6only < 0 || v6only > 1 || backlog < 1 || backlog > 65535) return -EINVAL;
    union any_address to;
    memset(&to, 0, sizeof to);
    socklen_t size;
    if (capacity == 4) {
        to.v4.sin_family = AF_INET;
        to.v4.sin_port = htons((uint16_t)port);
        memcpy(&to.v4.sin_addr, address, 4);
        size = sizeof to.v4;
    } else {
        to.v6.sin6_family = AF_INET6;
        to.v6.sin6_port = htons((uint16_t)port);
        memcpy(&to.v6.sin6_addr, address, 16);
        size = sizeof to.v6;
    }
    int fd = socket(to.any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) return -errno;
    const int on = 1, low = NOTSENT_LOWAT_BYTES, only = v6only;
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) < 0 ||
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) < 0 ||
        setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &low, sizeof low) < 0 ||
        (capacity == 16 && setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &only, sizeof only) < 0))
        return fail_and_close(fd);
    return bind_and_listen(fd, &to, size, backlog);
}

static int32_t unix_address(union any_address *to, const void *path, int32_t length) {
    if (path == NULL) return -EFAULT;
    if (length < 1) return -EINVAL;
    if (length > SLUICE_UNIX_PATH_MAX) return -ENAMETOOLONG;
    if (memchr(path, 0, (size_t)length) != NULL) return -EINVAL;
    memset(to, 0, sizeof *to);
    to->local.sun_family = AF_UNIX;
    memcpy(to->local.sun_path, path, (size_t)length);
    return 0;
}

int32_t sluice_listen_unix(const void *path, int32_t length, int32_t backlog) {
    union any_address to;
    int32_t status = unix_address(&to, path, length);
    if (status < 0) return status;
    if (backlog < 1 || backlog > 65535) return -EINVAL;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) return -errno;
    return bind_and_listen(fd, &to, sizeof to.local, backlog);
}

int32_t sluice_connect_unix(const void *path, int32_t length) {
    union any_address to;
    int32_t status = unix_address(&to, path, length);
    if (status < 0) return status;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) return -errno;
    if (connect(fd, &to.any, sizeof to.local) < 0) return fail_and_close(fd);
    return fd;
}

static void describe(struct sluice_peer *out, int fd, const union any_address *from) {
    memset(out, 0, sizeof *out);
    out->fd = fd;
    if (from->any.sa_family == AF_INET) {
        out->family = 4;
        out->port = ntohs(from->v4.sin_port);
        memcpy(out->address, &from->v4.sin_addr, 4);
    } else if (from->any.sa_family == AF_INET6) {
        const bool mapped = IN6_IS_ADDR_V4MAPPED(&from->v6.sin6_addr);
        out->family = mapped ? 4 : 6;
        out->port = ntohs(from->v6.sin6_port);
        memcpy(out->address, from->v6.sin6_addr.s6_addr + (mapped ? 12 : 0), mapped ? 4 : 16);
    }
}

typedef int (*name_function)(int, struct sockaddr *, socklen_t *);

static int32_t describe_end(int32_t fd, void *peer, int32_t capacity, name_function name) {
    if (peer == NULL) return -EFAULT;
    if (!is_array(capacity, 1, sizeof(struct sluice_peer), 1)) return -EINVAL;
    union any_address from;
    socklen_t size = sizeof from;
    memset(&from, 0, sizeof from);
    if (name(fd, &from.any, &size) < 0) return -errno;
    struct sluice_peer record;
    describe(&record, fd, &from);
    memcpy(peer, &record, sizeof record);
    return 0;
}

int32_t sluice_local_address(int32_t fd, void *peer, int32_t capacity) {
    if (!is_descriptor(fd)) return -EBADF;
    return describe_end(fd, peer, capacity, getsockname);
}

int32_t sluice_peer_address(int32_t fd, int32_t generation, void *peer, int32_t capacity) {
    int32_t status = sluice_check_connection(fd, generation);
    return status < 0 ? status : describe_end(fd, peer, capacity, getpeername);
}

int32_t sluice_accept(int32_t fd, void *peers, int32_t capacity, int32_t max) {
    if (!is_descriptor(fd)) return -EBADF;
    if (peers == NULL) return -EFAULT;
    if (!is_array(capacity, max, sizeof(struct sluice_peer), SLUICE_ACCEPT_MAX)) return -EINVAL;
    for (int32_t count = 0; count < max;) {
        union any_address from;
        socklen_t size = sizeof from;
        memset(&from, 0, sizeof from);
        int accepted = accept4(fd, &from.any, &size, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (accepted < 0) {
            if (errno == EINTR) continue;
            return count > 0 ? count : -errno;
        }
        struct sluice_peer record;
        describe(&record, accepted, &from);
        memcpy((uint8_t *)peers + (size_t)count * sizeof record, &record, sizeof record);
        count++;
    }
    return max;
}

int32_t sluice_recv(int32_t fd, int32_t generation, void *buffer, int32_t capacity, int32_t offset, int32_t length) {
    int32_t status = sluice_check_connection(fd, generation);
    if (status < 0) return status;
    if (buffer == NULL) return -EFAULT;
    if (!is_window(capacity, offset, length) || length == 0) return -EINVAL;
    ssize_t n;
    do n = syscall(SYS_recvfrom, fd, (uint8_t *)buffer + offset, (size_t)length, 0, NULL, NULL);
    while (n < 0 && errno == EINTR);
    return result(n);
}

int32_t sluice_send(int32_t fd, int32_t generation, const void *buffer, int32_t capacity, int32_t offset,
                    int32_t length) {
    int32_t status = sluice_check_connection(fd, generation);
    if (status < 0) return status;
    if (buffer == NULL) return -EFAULT;
    if (!is_window(capacity, offset, length) || length == 0) return -EINVAL;
    ssize_t n;
    do n = syscall(SYS_sendto, fd, (const uint8_t *)buffer + offset, (size_t)length, MSG_NOSIGNAL, NULL, 0);
    while (n < 0 && errno == EINTR);
    return result(n);
}

int32_t sluice_writev(int32_t fd, int32_t generation, const void *first, int32_t first_capacity, int32_t first_offset,
                      int32_t first_length, const void *second, int32_t second_capacity, int32_t second_offset,
                      int32_t second_length) {
    int32_t status = sluice_check_connection(fd, generation);
    if (status < 0) return status;
    if (first == NULL || second == NULL) return -EFAULT;
    if (!is_window(first_capacity, first_offset, first_length) || first_length == 0) return -EINVAL;
    if (!is_window(second_capacity, second_offset, second_length) || second_length == 0) return -EINVAL;
    if (first_length > INT32_MAX - second_length) return -EINVAL;
    struct iovec parts[2] = {
        {(uint8_t *)(uintptr_t)first + first_offset, (size_t)first_length},
        {(uint8_t *)(uintptr_t)second + second_offset, (size_t)second_length},
    };
    struct msghdr message;
    memset(&message, 0, sizeof message);
    message.msg_iov = parts;
    message.msg_iovlen = 2;
    ssize_t n;
    do n = sendmsg(fd, &message, MSG_NOSIGNAL); /* writev would raise SIGPIPE */
    while (n < 0 && errno == EINTR);
    return result(n);
}

int32_t sluice_shutdown(int32_t fd, int32_t generation) {
    int32_t status = sluice_check_connection(fd, generation);
    return status < 0 ? status : result(shutdown(fd, SHUT_WR));
}

int32_t sluice_unsent(int32_t fd, int32_t generation) {
    int32_t status = sluice_check_connection(fd, generation);
    if (status < 0) return status;
    int bytes = 0;
    return ioctl(fd, SIOCOUTQ, &bytes) < 0 ? -errno : bytes;
}

int32_t sluice_send_buffer(int32_t fd, int32_t generation, int32_t bytes) {
    int32_t status = sluice_check_connection(fd, generation);
    if (status < 0) return status;
    if (bytes < 1) return -EINVAL;
    const int size = bytes;
    return result(setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof size));
}

int32_t sluice_close(int32_t fd, int32_t generation) {
    int32_t status = sluice_check_connection(fd, generation);
    if (status < 0) return status;
    /* Two threads that close the same connection must not close the number twice: one of them finds it FREE. */
    if (__atomic_exchange_n(&sluice_entry_of(fd)->state, SLUICE_FREE, __ATOMIC_ACQ_REL) == SLUICE_FREE) return -ESTALE;
    return result(close(fd));
}

int32_t sluice_reset(int32_t fd, int32_t generation) {
    int32_t status = sluice_check_connection(fd, generation);
    if (status < 0) return status;
    const struct linger now = {.l_onoff = 1, .l_linger = 0};
    (void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now); /* a Unix socket has no such thing: close anyway */
    return sluice_close(fd, generation);
}
