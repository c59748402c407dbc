/*
 * floor.c: the cheapest honest HTTP server, to measure others against.
 *
 * One thread, one edge-triggered epoll loop, no timeouts, no limits, no routing. It does what nobody can leave out:
 * `recv`, find and walk the lines of each head (lower-casing nothing, keeping nothing), put a head together for each
 * answer (status line, current date, type, the length as a number), copy a fixed body, and one `send` for all requests
 * of a read. What another server costs above it is what that server adds.
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
#define HEAD_BYTES 1024

/* What is left of an incomplete head; only such a connection has one. */
static char *tails[1 << 20];
static int tail_lengths[1 << 20];

static char status_line[256], content_type[256], date[64];
static const char *body;
static int body_length;
static time_t date_second;
static char out[OUT_BYTES];

static void set_date(void) {
    time_t now = time(NULL);
    if (now == date_second) return;
    date_second = now;
    struct tm utc;
    gmtime_r(&now, &utc);
    strftime(date, sizeof date, "Date: %a, %d %b %Y %H:%M:%S GMT\r\n", &utc);
}

static char *put(char *to, const char *text) {
    const size_t length = strlen(text);
    memcpy(to, text, length);
    return to + length;
}

static char *put_decimal(char *to, int value) {
    char digits[12];
    int at = sizeof digits;
    digits[--at] = 0;
    do digits[--at] = (char)('0' + value % 10);
    while ((value /= 10) > 0);
    return put(to, digits + at);
}

static char *put_answer(char *to, bool last) {
    to = put(put(put(to, status_line), date), content_type);
    to = put_decimal(put(to, "Content-Length: "), body_length);
    to = put(to, last ? "\r\nConnection: close\r\n\r\n" : "\r\n\r\n");
    memcpy(to, body, (size_t)body_length);
    return to + body_length;
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
        if (out_length + HEAD_BYTES + body_length > OUT_BYTES) return false;
        out_length = (int)(put_answer(out + out_length, last) - out);
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
    snprintf(status_line, sizeof status_line, "HTTP/1.1 %s %s\r\n", argv[2], argv[3]);
    snprintf(content_type, sizeof content_type, "Content-Type: %s\r\n", argv[4]);
    body = argv[5];
    body_length = (int)strlen(argv[5]);
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
