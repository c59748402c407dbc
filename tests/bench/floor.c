/*
 * floor.c: the cheapest honest HTTP server, to measure others against.
 *
 * One thread, one edge-triggered epoll loop, no timeouts, no limits, no routing. It does what nobody can leave out:
 * `recv`, find and walk the lines of each head (lower-casing nothing, keeping nothing), format a head with the current
 * date, copy a fixed body, and one `send` for all requests of a read. What another server costs above it is what that
 * server adds.
 *
 * usage: floor PORT STATUS REASON CONTENT-TYPE BODY
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define EVENTS 256
#define READ_BYTES 65536
#define OUT_BYTES (1 << 20)
#define TAIL_BYTES 16384

/* What is left of an incomplete head; only such a connection has one. */
static char *tails[1 << 20];
static int tail_lengths[1 << 20];

static char head[512];
static int head_length, date_at;
static time_t head_second;
static const char *body;
static int body_length;
static char out[OUT_BYTES];

static void make_head(char **argv) {
    body = argv[5];
    body_length = (int)strlen(body);
    date_at = (int)strlen("HTTP/1.1 ") + (int)strlen(argv[2]) + 1 + (int)strlen(argv[3]) + (int)strlen("\r\nDate: ");
    head_length = snprintf(head, sizeof head,
                           "HTTP/1.1 %s %s\r\nDate: Thu, 01 Jan 1970 00:00:00 GMT\r\nContent-Type: %s\r\n"
                           "Content-Length: %d\r\n\r\n",
                           argv[2], argv[3], argv[4], body_length);
}

static void set_date(void) {
    time_t now = time(NULL);
    if (now == head_second) return;
    head_second = now;
    char date[32];
    struct tm utc;
    gmtime_r(&now, &utc);
    strftime(date, sizeof date, "%a, %d %b %Y %H:%M:%S GMT", &utc);
    memcpy(head + date_at, date, 29);
}

/* The end of the head that begins at `at`, or NULL; *last is set if it says "Connection: close". */
static const char *walk_head(const char *at, const char *end, bool *last) {
    for (;;) {
        const char *line_end = memchr(at, '\n', (size_t)(end - at));
        if (line_end == NULL) return NULL;
        const char *colon = memchr(at, ':', (size_t)(line_end - at));
        if (colon != NULL && colon - at == 10 && strncasecmp(at, "connection", 10) == 0)
            *last = memmem(colon, (size_t)(line_end - colon), "close", 5) != NULL;
        if (line_end - at <= 1) return line_end + 1;
        at = line_end + 1;
    }
}

static void drop(int fd) {
    free(tails[fd]);
    tails[fd] = NULL;
    close(fd);
}

/* Answers everything that is there. The benches send small batches: what does not fit into the socket is an error. */
static bool answer(int fd, char *in, int length) {
    const char *at = in, *end = in + length;
    int out_length = 0;
    bool last = false;
    while (at < end && !last) {
        const char *next = walk_head(at, end, &last);
        if (next == NULL) break;
        at = next;
        if (out_length + head_length + body_length + 32 > OUT_BYTES) return false;
        memcpy(out + out_length, head, (size_t)head_length);
        if (last) { /* the field goes in front of the empty line */
            out_length += head_length - 2;
            memcpy(out + out_length, "Connection: close\r\n\r\n", 21);
            out_length += 21;
        } else {
            out_length += head_length;
        }
        memcpy(out + out_length, body, (size_t)body_length);
        out_length += body_length;
    }
    if (out_length > 0 && send(fd, out, (size_t)out_length, MSG_NOSIGNAL) != out_length) return false;
    if (last) shutdown(fd, SHUT_WR);
    int left = (int)(end - at);
    if (last || left > TAIL_BYTES) return left <= TAIL_BYTES;
    if (left > 0) {
        if (tails[fd] == NULL) tails[fd] = malloc(TAIL_BYTES);
        memcpy(tails[fd], at, (size_t)left);
    } else if (tails[fd] != NULL) {
        free(tails[fd]);
        tails[fd] = NULL;
    }
    tail_lengths[fd] = left;
    return true;
}

static void serve(int fd) {
    static char in[TAIL_BYTES + READ_BYTES];
    for (;;) {
        int held = tails[fd] == NULL ? 0 : tail_lengths[fd];
        if (held > 0) memcpy(in, tails[fd], (size_t)held);
        ssize_t n = recv(fd, in + held, READ_BYTES, 0);
        if (n < 0 && errno == EAGAIN) return;
        if (n <= 0 || !answer(fd, in, held + (int)n)) {
            drop(fd);
            return;
        }
        if (n < READ_BYTES) return; /* a short read has emptied the socket */
    }
}

static int listen_on(int port) {
    const int on = 1;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (bind(fd, (struct sockaddr *)&address, sizeof address) < 0 || listen(fd, 4096) < 0) {
        perror("floor: cannot listen");
        exit(1);
    }
    return fd;
}

int main(int argc, char **argv) {
    if (argc != 6) {
        fprintf(stderr, "usage: floor PORT STATUS REASON CONTENT-TYPE BODY\n");
        return 2;
    }
    struct rlimit files;
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    make_head(argv);
    int listener = listen_on(atoi(argv[1])), epoll = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event event = {.events = EPOLLIN, .data.fd = listener}, ready[EVENTS];
    epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &event);
    for (;;) {
        int count = epoll_wait(epoll, ready, EVENTS, -1);
        set_date();
        for (int i = 0; i < count; i++) {
            if (ready[i].data.fd != listener) {
                serve(ready[i].data.fd);
                continue;
            }
            for (int fd; (fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0;) {
                struct epoll_event added = {.events = EPOLLIN | EPOLLRDHUP | EPOLLET, .data.fd = fd};
                epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &added);
            }
        }
    }
}
