/*
 * shim.c: a libFuzzer target for the argument checks of the shim. Built and run by shim.ts.
 *
 * An input is a series of calls with their arguments: any function, any numbers. The table, the buffers and the
 * descriptors are private. After every call: the result is >= 0 or a negated errno; no byte outside the window that
 * was allowed has changed; descriptors 0 to 2 and a canary, which is a connection whose generation no call knows, are
 * as they were. AddressSanitizer sees what the shim itself reads and writes beyond a buffer; the pattern in the guard
 * zones shows what the kernel did.
 *
 * What is not tried, because the shim cannot refuse it: a capacity that is not true, a wait of seconds, a real port,
 * and a path outside the working directory.
 *
 * With FUZZ_CANARY one check is broken, and has to be found.
 */
#include "../../shim/check.h"

#include <sanitizer/asan_interface.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#if FUZZ_CANARY == 1 /* a window may begin anywhere */
#define is_window(capacity, offset, length) ((capacity) >= 0 && (length) >= 0 && (length) <= (capacity))
#elif FUZZ_CANARY == 2 /* standard streams are descriptors like others */
#define is_descriptor(fd) ((fd) >= 0)
#endif

#include "../../shim/event.c"
#include "../../shim/net.c"
#include "../../shim/table.c"

#define FDS 128       /* no descriptor is above, see RLIMIT_NOFILE */
#define BUFFER 1024   /* the largest true capacity */
#define GUARD 256     /* bytes before and behind a buffer */
#define PATTERN 0xa5
#define GENERATION 7  /* of the connections that calls may reach */
#define CANARY_GENERATION 1111111111
#define CALLS_MAX 64  /* of one input */

#define REQUIRE(condition)                                                                                             \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            fprintf(stderr, "%s: call %d, result %d: not so: %s\n", __func__, current_call, last_result,               \
                    #condition);                                                                                       \
            abort();                                                                                                   \
        }                                                                                                              \
    } while (0)

static int current_call, last_result;
static volatile sig_atomic_t pipe_signals;
static struct sluice_entry entries[FDS] __attribute__((aligned(64)));
static int canary, canary_peer;
static struct stat standard[3], canary_stat;
static int known[12]; /* descriptors that calls can name easily */
static int path_count;
static char paths[CALLS_MAX][SLUICE_UNIX_PATH_MAX + 1];
static uint64_t contexts[CALLS_MAX];
static int context_count;

/* ---- arguments ---- */

static const uint8_t *input, *input_end;
static uint32_t input_sum;

static uint8_t next_byte(void) {
    return input < input_end ? *input++ : 0;
}

static int32_t next_word(void) {
    uint32_t word = 0;
    for (int i = 0; i < 4; i++) word = word << 8 | next_byte();
    return (int32_t)word;
}

/* A number: a small one, one at an edge, or any. */
static int32_t number(void) {
    static const int32_t edges[] = {-1, 0, 1, INT32_MIN, INT32_MAX, INT32_MAX - 1, BUFFER, BUFFER - 1, 65535, 65536};
    uint8_t kind = next_byte();
    if (kind < 128) return kind & 31;
    if (kind < 192) return edges[kind % (sizeof edges / sizeof edges[0])];
    if (kind < 224) return (int32_t)next_byte() * 8 - 64;
    return next_word();
}

static int32_t descriptor(void) {
    uint8_t kind = next_byte();
    if (kind < 200) return known[kind % 12];
    if (kind < 240) return (int32_t)(kind % 8) - 3;
    return next_word();
}

/* The generation of a connection: the right one, or one that is not the canary's. */
static int32_t generation(void) {
    uint8_t kind = next_byte();
    if (kind < 200) return GENERATION;
    int32_t any = number();
    return any == CANARY_GENERATION ? 0 : any;
}

/* A buffer between two guard zones. The capacity may be refused, but it is true when it is not negative. */
struct buffer {
    uint8_t *block;
    uint8_t *bytes; /* what the shim is given; may be NULL */
    int32_t capacity;
    uint8_t before[BUFFER];
};

static void open_buffer(struct buffer *b, int32_t capacity) {
    const int32_t size = capacity < 0 ? 0 : capacity % (BUFFER + 1);
    b->capacity = capacity < 0 ? capacity : size;
    b->block = malloc((size_t)(GUARD * 2 + BUFFER));
    memset(b->block, PATTERN, GUARD * 2 + BUFFER);
    for (int32_t i = 0; i < size && i < 32; i++) b->block[GUARD + i] = next_byte();
    memcpy(b->before, b->block + GUARD, BUFFER);
    ASAN_POISON_MEMORY_REGION(b->block, GUARD);
    ASAN_POISON_MEMORY_REGION(b->block + GUARD + size, (size_t)(GUARD + BUFFER - size));
    b->bytes = next_byte() < 4 ? NULL : b->block + GUARD;
}

/* Only [from, to) of the buffer may have changed. */
static void close_buffer(struct buffer *b, int32_t from, int32_t to) {
    ASAN_UNPOISON_MEMORY_REGION(b->block, GUARD * 2 + BUFFER);
    for (int32_t i = 0; i < GUARD; i++)
        REQUIRE(b->block[i] == PATTERN && b->block[GUARD + BUFFER + i] == PATTERN);
    for (int32_t i = 0; i < BUFFER; i++)
        if (i < from || i >= to) REQUIRE(b->block[GUARD + i] == b->before[i]);
    free(b->block);
}

/* ---- the calls, by the shape of their arguments ---- */

static int32_t check_result(int32_t r) {
    last_result = r;
    REQUIRE(r >= -4095);
    REQUIRE(pipe_signals == 0);
    return r;
}

/* No call succeeds on a standard stream. */
static void check_refused(int32_t fd) {
    if (fd < 3) REQUIRE(last_result < 0);
}

static void call_constant(uint8_t which) {
    switch (which % 8) {
    case 0: check_result(sluice_abi_version()); break;
    case 1: check_result(sluice_build_hash()); break;
    case 2: check_result(sluice_record_size(number())); break;
    case 3: check_result(sluice_now_ms()); break;
    case 4: check_result(sluice_now_us()); break;
    case 5: check_result(sluice_rlimit_nofile()); break;
    case 6: {
        /* A table of one's own, true or not, for this one call. */
        const int32_t capacity = number();
        uint8_t *memory = (uint8_t *)entries + next_byte() % 3;
        const int32_t fits = capacity > (int32_t)sizeof entries ? 64 : capacity;
        check_result(sluice_table(next_byte() < 8 ? NULL : memory, fits));
        REQUIRE(sluice_table(entries, sizeof entries) == 0);
        break;
    }
    default: check_result(which & 64 ? sluice_epoll_create() : which & 32 ? sluice_eventfd() : sluice_timerfd());
    }
}

static void call_listen_tcp(void) {
    struct buffer b;
    open_buffer(&b, next_byte() < 100 ? 4 : next_byte() < 200 ? 16 : number());
    int32_t port = number();
    if (port > 0 && port <= 65535) port = 0;
    check_result(sluice_listen_tcp(b.bytes, b.capacity, port, number(), number()));
    close_buffer(&b, 0, 0);
}

static void call_unix(bool listens) {
    struct buffer b;
    open_buffer(&b, number());
    const int32_t size = b.capacity < 0 ? 0 : b.capacity;
    for (int32_t i = 0; i < size; i++)
        if (b.block[GUARD + i] == '/') b.block[GUARD + i] = b.before[i] = '_';
    check_result(listens ? sluice_listen_unix(b.bytes, b.capacity, number())
                         : sluice_connect_unix(b.bytes, b.capacity));
    if (listens && last_result >= 0) {
        REQUIRE(size <= SLUICE_UNIX_PATH_MAX);
        memcpy(paths[path_count], b.bytes, (size_t)size);
        paths[path_count++][size] = 0;
    }
    close_buffer(&b, 0, 0);
}

/* Functions that write records from the start of a buffer. */
static void call_records(uint8_t which) {
    const int32_t fd = descriptor(), max = number(), record = which % 5 < 3 ? 28 : 12;
    struct buffer b;
    open_buffer(&b, next_byte() < 128 ? next_byte() % 36 * record : number());
    int32_t wrote = 0;
    switch (which % 5) {
    case 0: wrote = check_result(sluice_local_address(fd, b.bytes, b.capacity)) == 0; break;
    case 1: wrote = check_result(sluice_peer_address(fd, generation(), b.bytes, b.capacity)) == 0; break;
    case 2: wrote = check_result(sluice_accept(fd, b.bytes, b.capacity, max)); break;
    case 3: wrote = check_result(sluice_epoll_wait(fd, b.bytes, b.capacity, max)); break;
    default: {
        const int32_t us = number();
        wrote = check_result(sluice_epoll_pwait2(fd, b.bytes, b.capacity, max, us > 50 && us <= 1000000 ? 50 : us));
    }
    }
    check_refused(fd);
    REQUIRE(wrote <= 0 || wrote <= (which % 5 < 2 ? 1 : max));
    close_buffer(&b, 0, wrote > 0 ? wrote * record : 0);
}

static void call_transfer(uint8_t which) {
    const int32_t fd = descriptor(), id = generation();
    struct buffer a, b;
    open_buffer(&a, number());
    open_buffer(&b, number());
    const int32_t offset = number(), length = number(), offset2 = number(), length2 = number();
    int32_t wrote = 0;
    switch (which % 3) {
    case 0: wrote = check_result(sluice_recv(fd, id, a.bytes, a.capacity, offset, length)); break;
    case 1: check_result(sluice_send(fd, id, a.bytes, a.capacity, offset, length)); break;
    default:
        check_result(sluice_writev(fd, id, a.bytes, a.capacity, offset, length, b.bytes, b.capacity, offset2, length2));
    }
    check_refused(fd);
    if (last_result >= 0) {
        REQUIRE(length > 0 && (int64_t)last_result <= (int64_t)length + (which % 3 == 2 ? length2 : 0));
        REQUIRE(offset >= 0 && (int64_t)offset + length <= a.capacity);
    }
    close_buffer(&a, wrote > 0 ? offset : 0, wrote > 0 ? offset + wrote : 0);
    close_buffer(&b, 0, 0);
}

static void call_connection(uint8_t which) {
    const int32_t fd = descriptor(), id = generation();
    switch (which % 8) {
    case 0: check_result(sluice_shutdown(fd, id)); break;
    case 1: check_result(sluice_unsent(fd, id)); break;
    case 2: check_result(sluice_send_buffer(fd, id, number())); break;
    case 3: check_result(sluice_close(fd, id)); break;
    case 4: check_result(sluice_reset(fd, id)); break;
    default: {
        const int32_t epoll_fd = descriptor(), events = number();
        check_result(which % 8 == 5   ? sluice_epoll_add(epoll_fd, fd, id, events)
                     : which % 8 == 6 ? sluice_epoll_mod(epoll_fd, fd, id, events)
                                      : sluice_epoll_del(epoll_fd, fd, id));
        check_refused(epoll_fd);
    }
    }
    check_refused(fd);
}

static void call_other(uint8_t which) {
    const int32_t fd = descriptor();
    switch (which % 6) {
    case 0: {
        /* Known: it writes to whatever it is given, and a socket that is not connected answers with SIGPIPE. */
        const int32_t r = sluice_eventfd_signal(fd);
        pipe_signals = 0;
        check_result(r);
        break;
    }
    case 1: check_result(sluice_eventfd_drain(fd)); break;
    case 2: check_result(sluice_timerfd_set(fd, number())); break;
    case 3: check_result(sluice_close_descriptor(fd)); break;
    case 4: {
        const int32_t ms = number();
        check_result(sluice_poll(fd, ms == -1 || ms > 1 ? 0 : ms));
        break;
    }
    default: {
        const int32_t watched = descriptor();
        check_result(sluice_epoll_watch(fd, watched, number()));
        check_refused(watched);
    }
    }
    check_refused(fd);
}

static void call_aio(uint8_t which) {
    struct buffer b;
    const int32_t capacity = number();
    open_buffer(&b, capacity);
    if (b.bytes != NULL && b.capacity >= 8 && context_count > 0 && next_byte() < 200) {
        memcpy(b.bytes, &contexts[context_count - 1], 8);
        memcpy(b.before, b.bytes, 8);
    }
    int32_t may_write = 0;
    switch (which % 4) {
    case 0:
        /* A context costs milliseconds: at most one an input, and one input in 32, which is no use to learn. */
        if ((context_count > 0 || input_sum % 32 != 0) && b.capacity >= 8) b.bytes = NULL;
        check_result(sluice_aio_setup(b.bytes, b.capacity));
        if (last_result == 0) memcpy(&contexts[context_count++], b.bytes, may_write = 8);
        break;
    case 1: {
        const int32_t epoll_fd = descriptor(), event_fd = descriptor();
        check_result(sluice_aio_arm(b.bytes, b.capacity, epoll_fd, event_fd));
        check_refused(epoll_fd);
        check_refused(event_fd);
        break;
    }
    case 2: check_result(sluice_aio_drain(b.bytes, b.capacity)); break;
    default:
        check_result(sluice_aio_destroy(b.bytes, b.capacity));
        may_write = b.bytes != NULL && b.capacity >= 8 ? 8 : 0;
    }
    close_buffer(&b, 0, may_write);
}

static void call_one(void) {
    const uint8_t kind = next_byte(), which = next_byte();
    switch (kind % 16) {
    case 0: call_constant(which); break;
    case 1: call_listen_tcp(); break;
    case 2: call_unix(which & 1); break;
    case 3:
    case 4: call_records(which); break;
    case 5:
    case 6:
    case 7:
    case 8: call_transfer(which); break;
    case 9:
    case 10:
    case 11: call_connection(which); break;
    case 12:
    case 13:
    case 14: call_other(which); break;
    default: call_aio(which);
    }
}

/* ---- around an input ---- */

static bool is_same(const struct stat *a, int fd) {
    struct stat now;
    return fstat(fd, &now) == 0 && now.st_dev == a->st_dev && now.st_ino == a->st_ino;
}

/* Nobody closed it, sent on it, read from it or shut it. */
static void check_untouched(void) {
    for (int fd = 0; fd < 3; fd++) REQUIRE(is_same(&standard[fd], fd));
    REQUIRE(is_same(&canary_stat, canary));
    char byte;
    REQUIRE(recv(canary_peer, &byte, 1, MSG_DONTWAIT | MSG_PEEK) == -1 && errno == EAGAIN);
    int waiting = 0;
    REQUIRE(ioctl(canary, FIONREAD, &waiting) == 0 && waiting == 3);
    REQUIRE(entries[canary].generation == CANARY_GENERATION && entries[canary].state == SLUICE_OWNED);
}

static void enter(int fd, int32_t id) {
    entries[fd].generation = id;
    entries[fd].state = SLUICE_OWNED;
}

static void note_pipe_signal(int number_of_signal) {
    (void)number_of_signal;
    pipe_signals = 1;
}

int LLVMFuzzerInitialize(int *argc, char ***argv) {
    (void)argc;
    (void)argv;
    signal(SIGPIPE, note_pipe_signal);
    struct rlimit limit = {FDS, FDS};
    setrlimit(RLIMIT_NOFILE, &limit);
    for (int fd = 0; fd < 3; fd++) fstat(fd, &standard[fd]);
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair) != 0) abort();
    canary = pair[0];
    /* Its other end has a number that no call can name but by chance, and is a connection too. */
    canary_peer = dup2(pair[1], FDS - 1);
    close(pair[1]);
    if (write(canary_peer, "abc", 3) != 3) abort();
    fstat(canary, &canary_stat);
    return 0;
}

static void set_up(void) {
    memset(entries, 0, sizeof entries);
    enter(canary, CANARY_GENERATION);
    enter(canary_peer, CANARY_GENERATION);
    if (sluice_table(entries, sizeof entries) != 0) abort();
    int first[2], second[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, first) != 0) abort();
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, second) != 0) abort();
    for (int i = 0; i < 2; i++) enter(first[i], GENERATION);
    enter(second[0], GENERATION);
    if (write(first[0], "some bytes that wait", 20) != 20 || write(second[1], "more", 4) != 4) abort();
    const uint8_t loopback[4] = {127, 0, 0, 1};
    const int fds[12] = {
        first[0],         first[1], second[0], second[1], sluice_epoll_create(), sluice_eventfd(), sluice_timerfd(),
        sluice_listen_tcp(loopback, 4, 0, 0, 4), canary, 0, 1, FDS - 2,
    };
    memcpy(known, fds, sizeof known);
    path_count = context_count = 0;
}

static void tear_down(void) {
    for (int i = 0; i < context_count; i++) syscall(SYS_io_destroy, contexts[i]);
    for (int i = 0; i < path_count; i++) unlink(paths[i]);
    for (int fd = 3; fd < FDS - 1; fd++)
        if (fd != canary) close(fd);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    input = data;
    input_end = data + size;
    input_sum = 0;
    for (size_t i = 0; i < size; i++) input_sum = (input_sum ^ data[i]) * 16777619u;
    input_sum ^= input_sum >> 16;
    set_up();
    for (current_call = 0; current_call < CALLS_MAX && input < input_end; current_call++) {
        call_one();
        check_untouched();
    }
    tear_down();
    return 0;
}
