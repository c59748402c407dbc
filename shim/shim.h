/*
 * shim.h: the border between TypeScript and Linux, and its manual.
 *
 * The shim is mechanism only. It holds no HTTP, no policy, no callbacks and no heap; its only state is the address
 * of the connection table, kept per thread. Every function takes 32-bit integers and buffers, so that each call takes
 * V8's fast path, and returns a result >= 0 or a negated errno.
 *
 * Nothing that comes in is trusted. Once V8 has compiled a call site for a bad value, the value is wrapped without a
 * word (NaN becomes 0, 2^32+4 becomes 4, a detached buffer becomes NULL), so each function checks all its arguments:
 *   - a descriptor below 3 is never ours (0, 1 and 2 are the standard streams): -EBADF;
 *   - a NULL buffer is -EFAULT; a window (offset, length) has to lie within the stated capacity: -EINVAL;
 *   - a connection is named by descriptor and generation, and both have to agree with the connection table: -ESTALE.
 *
 * Ownership: the caller owns every buffer and keeps it reachable while the shim may use it. Only the table is kept
 * after a call returns. Descriptors that a function creates are close-on-exec, non-blocking, and belong to the caller.
 *
 * The same names, without the prefix, are the keys of `SYMBOLS` in ffi.ts.
 */
#ifndef SLUICE_SHIM_H
#define SLUICE_SHIM_H

#include <stdint.h>

#define SLUICE_ABI_VERSION 1

#define SLUICE_API __attribute__((visibility("default")))

/* Limits of single arguments: they bound stack arrays and refuse nonsense; policy lives in TypeScript. */
#define SLUICE_EVENTS_MAX 1024 /* events of one epoll_wait */
#define SLUICE_ACCEPT_MAX 64   /* connections of one accept batch */
#define SLUICE_UNIX_PATH_MAX 107 /* sizeof sun_path less the terminating NUL */

/* States of a table entry. TypeScript moves FREE -> HANDED (listener) and HANDED -> OWNED (worker); only
 * sluice_close and sluice_reset move an entry back to FREE. */
enum { SLUICE_FREE = 0, SLUICE_HANDED = 1, SLUICE_OWNED = 2 };

/* One row of the connection table: shared by all threads, indexed by descriptor, one cache line. */
struct sluice_entry {
    int32_t generation;  /* 1 .. 2^31-1, raised at each accept, never 0 */
    int32_t state;       /* SLUICE_FREE, SLUICE_HANDED, SLUICE_OWNED */
    int32_t owner;       /* index of the owning worker */
    int32_t slot;        /* the owner's pool slot, -1 before it has one */
    int32_t listener;    /* index of the listening socket */
    int32_t accepted_at; /* sluice_now_ms() of the accept */
    int32_t family;      /* peer: 4, 6, or 0 for a Unix socket */
    int32_t port;        /* peer, host byte order */
    uint8_t address[16]; /* peer, network byte order; IPv4 in the first four */
    int32_t reserved[4];
};

/* One event of epoll_wait. A generation of 0 marks a descriptor that is no connection (sluice_epoll_watch). */
struct sluice_event {
    int32_t events; /* EPOLLIN | ... */
    int32_t fd;
    int32_t generation;
};

/* One accepted connection, and what sluice_local_address writes (with fd = the descriptor asked about). */
struct sluice_peer {
    int32_t fd;
    int32_t family; /* 4, 6 (IPv4-mapped IPv6 is given as 4), or 0 for a Unix socket */
    int32_t port;   /* host byte order */
    uint8_t address[16];
};

/* State of one AIO poll: 8 bytes that the caller owns and treats as opaque. */
struct sluice_aio {
    uint64_t context;
};

/* ---- the contract ---- */

/* SLUICE_ABI_VERSION. */
SLUICE_API int32_t sluice_abi_version(void);
/* The 31-bit hash that the build script passed; compared with the one embedded beside the bytes. */
SLUICE_API int32_t sluice_build_hash(void);
/* Bytes of record number `kind`: 0 entry, 1 event, 2 peer, 3 aio; -EINVAL for another. */
SLUICE_API int32_t sluice_record_size(int32_t kind);
/* Remembers the table for the calling thread. `capacity` is its size in bytes and a multiple of an entry's size. NULL
 * and 0 forget it: the library stays mapped when it is unloaded, the memory of the table does not. */
SLUICE_API int32_t sluice_table(void *table, int32_t capacity);
/* CLOCK_MONOTONIC in milliseconds, modulo 2^31: differences are right for spans under 24 days. */
SLUICE_API int32_t sluice_now_ms(void);
/* The same clock in microseconds, modulo 2^31: differences are right for spans under 35 minutes. */
SLUICE_API int32_t sluice_now_us(void);
/* The soft RLIMIT_NOFILE, at most 2^31-1. */
SLUICE_API int32_t sluice_rlimit_nofile(void);

/* ---- listening ---- */

/* Binds and listens on TCP. `address` holds `capacity` = 4 bytes (IPv4) or 16 (IPv6), network byte order; port 0
 * lets the kernel choose; `v6only` 0 makes an IPv6 socket dual stack. SO_REUSEADDR, TCP_NODELAY and
 * TCP_NOTSENT_LOWAT are set here and inherited by what is accepted. Returns the descriptor. */
SLUICE_API int32_t sluice_listen_tcp(const void *address, int32_t capacity, int32_t port, int32_t v6only,
                                     int32_t backlog);
/* Binds and listens on a Unix stream socket. The path is `length` bytes without a NUL. Returns the descriptor. */
SLUICE_API int32_t sluice_listen_unix(const void *path, int32_t length, int32_t backlog);
/* Connects to a Unix stream socket, to find out whether somebody listens there. Returns a descriptor to close. */
SLUICE_API int32_t sluice_connect_unix(const void *path, int32_t length);
/* Writes a sluice_peer with the address that `fd` is bound to. */
SLUICE_API int32_t sluice_local_address(int32_t fd, void *peer, int32_t capacity);
/* Writes a sluice_peer with the address of the other end. */
SLUICE_API int32_t sluice_peer_address(int32_t fd, int32_t generation, void *peer, int32_t capacity);
/* Accepts up to `max` connections into an array of sluice_peer. Returns how many; an errno only when there was not
 * one (-EAGAIN: none is waiting). An error that ends a batch early is met again by the next call. */
SLUICE_API int32_t sluice_accept(int32_t fd, void *peers, int32_t capacity, int32_t max);

/* ---- connections: descriptor and generation ---- */

/* Reads at most `length` bytes to buffer[offset]. 0 is the peer's FIN. */
SLUICE_API int32_t sluice_recv(int32_t fd, int32_t generation, void *buffer, int32_t capacity, int32_t offset,
                               int32_t length);
/* Sends buffer[offset .. offset+length). Returns the bytes taken, which may be fewer. Never raises SIGPIPE. */
SLUICE_API int32_t sluice_send(int32_t fd, int32_t generation, const void *buffer, int32_t capacity, int32_t offset,
                               int32_t length);
/* The same for two windows in one call, in order. */
SLUICE_API int32_t sluice_writev(int32_t fd, int32_t generation, const void *first, int32_t first_capacity,
                                 int32_t first_offset, int32_t first_length, const void *second,
                                 int32_t second_capacity, int32_t second_offset, int32_t second_length);
/* Shuts the writing half: the peer reads what was sent, then the end. */
SLUICE_API int32_t sluice_shutdown(int32_t fd, int32_t generation);
/* Bytes in the send queue that the peer has not acknowledged (SIOCOUTQ). */
SLUICE_API int32_t sluice_unsent(int32_t fd, int32_t generation);
/* Sets SO_SNDBUF (> 0) of a connection, for tests and for tuning. */
SLUICE_API int32_t sluice_send_buffer(int32_t fd, int32_t generation, int32_t bytes);
/* Frees the table entry, then closes. The entry goes first: after close the kernel may give the number away. */
SLUICE_API int32_t sluice_close(int32_t fd, int32_t generation);
/* The same with SO_LINGER 0: the peer gets a reset and the kernel drops what is unsent. */
SLUICE_API int32_t sluice_reset(int32_t fd, int32_t generation);

/* ---- epoll ---- */

/* Makes an epoll instance. Returns its descriptor. */
SLUICE_API int32_t sluice_epoll_create(void);
/* Adds a connection. The user data is generation << 32 | fd. */
SLUICE_API int32_t sluice_epoll_add(int32_t epoll_fd, int32_t fd, int32_t generation, int32_t events);
/* Changes the events of a connection. */
SLUICE_API int32_t sluice_epoll_mod(int32_t epoll_fd, int32_t fd, int32_t generation, int32_t events);
/* Removes a connection. */
SLUICE_API int32_t sluice_epoll_del(int32_t epoll_fd, int32_t fd, int32_t generation);
/* Adds a descriptor that is no connection (generation 0), or changes its events if it is there already. */
SLUICE_API int32_t sluice_epoll_watch(int32_t epoll_fd, int32_t fd, int32_t events);
/* Takes the ready events without waiting, into an array of sluice_event. Returns how many. */
SLUICE_API int32_t sluice_epoll_wait(int32_t epoll_fd, void *events, int32_t capacity, int32_t max);
/* The same, waiting at most `timeout_us` (0 .. 1,000,000). -ENOSYS before Linux 5.11. */
SLUICE_API int32_t sluice_epoll_pwait2(int32_t epoll_fd, void *events, int32_t capacity, int32_t max,
                                       int32_t timeout_us);
/* Blocks until the epoll descriptor is ready or `timeout_ms` (-1: for ever) has passed; takes no event. For the
 * fallback wait, on a thread of its own. Returns 1 or 0. */
SLUICE_API int32_t sluice_poll(int32_t epoll_fd, int32_t timeout_ms);

/* ---- descriptors that are no connection: one that is gets -EBUSY, from sluice_epoll_watch too ---- */

/* Makes an eventfd with counter 0. Returns the descriptor. */
SLUICE_API int32_t sluice_eventfd(void);
/* Adds 1. */
SLUICE_API int32_t sluice_eventfd_signal(int32_t fd);
/* Sets the counter to 0. Returns 1 if it was set, 0 if it was 0 already. */
SLUICE_API int32_t sluice_eventfd_drain(int32_t fd);
/* Makes a disarmed timerfd on the clock of sluice_now_ms. Returns the descriptor. */
SLUICE_API int32_t sluice_timerfd(void);
/* Fires once after `ms` milliseconds; 0 disarms. */
SLUICE_API int32_t sluice_timerfd_set(int32_t fd, int32_t ms);
/* Closes a descriptor that is not in the connection table: listening, epoll, eventfd, timerfd. */
SLUICE_API int32_t sluice_close_descriptor(int32_t fd);

/* ---- an epoll descriptor under another event loop: Linux AIO poll, see workers/wake.ts ---- */

/* Makes the AIO context in `state`, a sluice_aio. */
SLUICE_API int32_t sluice_aio_setup(void *state, int32_t capacity);
/* Signals `event_fd` once as soon as `epoll_fd` is readable; at once if it is already, so no wake-up is lost. */
SLUICE_API int32_t sluice_aio_arm(void *state, int32_t capacity, int32_t epoll_fd, int32_t event_fd);
/* Takes completions. Returns how many. */
SLUICE_API int32_t sluice_aio_drain(void *state, int32_t capacity);
/* Cancels what is armed and frees the context. */
SLUICE_API int32_t sluice_aio_destroy(void *state, int32_t capacity);

#endif
