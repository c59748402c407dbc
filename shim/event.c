/*
 * event.c: readiness and time: epoll, eventfd, timerfd, and the AIO poll that makes an epoll descriptor wake another
 * event loop. epoll_pwait2 and the io_* calls go through syscall(): glibc 2.28 has no wrappers for them.
 */
#include "check.h"

#include <linux/aio_abi.h>
#include <poll.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#ifndef SYS_epoll_pwait2
#define SYS_epoll_pwait2 441 /* the same number on x86-64 and arm64 */
#endif

/* The kernel's IOCB_CMD_POLL; older linux/aio_abi.h lack the name. */
#define AIO_POLL 5
/* One poll is in flight at a time; the ring of completions needs room for little more. */
#define AIO_EVENTS 8

int32_t sluice_epoll_create(void) {
    return result(epoll_create1(EPOLL_CLOEXEC));
}

static int32_t control(int32_t epoll_fd, int operation, int32_t fd, int32_t generation, int32_t events) {
    struct epoll_event event;
    memset(&event, 0, sizeof event);
    event.events = (uint32_t)events;
    event.data.u64 = (uint64_t)(uint32_t)generation << 32 | (uint32_t)fd;
    return result(epoll_ctl(epoll_fd, operation, fd, &event));
}

static int32_t control_connection(int32_t epoll_fd, int operation, int32_t fd, int32_t generation, int32_t events) {
    if (!is_descriptor(epoll_fd)) return -EBADF;
    int32_t status = sluice_check_connection(fd, generation);
    return status < 0 ? status : control(epoll_fd, operation, fd, generation, events);
}

int32_t sluice_epoll_add(int32_t epoll_fd, int32_t fd, int32_t generation, int32_t events) {
    return control_connection(epoll_fd, EPOLL_CTL_ADD, fd, generation, events);
}

int32_t sluice_epoll_mod(int32_t epoll_fd, int32_t fd, int32_t generation, int32_t events) {
    return control_connection(epoll_fd, EPOLL_CTL_MOD, fd, generation, events);
}

int32_t sluice_epoll_del(int32_t epoll_fd, int32_t fd, int32_t generation) {
    return control_connection(epoll_fd, EPOLL_CTL_DEL, fd, generation, 0);
}

int32_t sluice_epoll_watch(int32_t epoll_fd, int32_t fd, int32_t events) {
    if (!is_descriptor(epoll_fd)) return -EBADF;
    int32_t status = sluice_check_other(fd);
    if (status < 0) return status;
    status = control(epoll_fd, EPOLL_CTL_ADD, fd, 0, events);
    return status == -EEXIST ? control(epoll_fd, EPOLL_CTL_MOD, fd, 0, events) : status;
}

/* struct epoll_event is packed on x86-64 and not on arm64: TypeScript sees one layout. */
static void translate(void *to, const struct epoll_event *from, int32_t count) {
    for (int32_t i = 0; i < count; i++) {
        const struct sluice_event event = {
            .events = (int32_t)from[i].events,
            .fd = (int32_t)(from[i].data.u64 & 0xffffffffu),
            .generation = (int32_t)(from[i].data.u64 >> 32),
        };
        memcpy((uint8_t *)to + (size_t)i * sizeof event, &event, sizeof event);
    }
}

static int32_t check_wait(int32_t epoll_fd, const void *events, int32_t capacity, int32_t max) {
    if (!is_descriptor(epoll_fd)) return -EBADF;
    if (events == NULL) return -EFAULT;
    return is_array(capacity, max, sizeof(struct sluice_event), SLUICE_EVENTS_MAX) ? 0 : -EINVAL;
}

int32_t sluice_epoll_wait(int32_t epoll_fd, void *events, int32_t capacity, int32_t max) {
    int32_t status = check_wait(epoll_fd, events, capacity, max);
    if (status < 0) return status;
    struct epoll_event ready[SLUICE_EVENTS_MAX];
    int32_t count = result(epoll_wait(epoll_fd, ready, max, 0));
    if (count == -EINTR) return 0;
    if (count > 0) translate(events, ready, count);
    return count;
}

int32_t sluice_epoll_pwait2(int32_t epoll_fd, void *events, int32_t capacity, int32_t max, int32_t timeout_us) {
    int32_t status = check_wait(epoll_fd, events, capacity, max);
    if (status < 0) return status;
    if (timeout_us < 0 || timeout_us > 1000000) return -EINVAL;
    const struct timespec timeout = {.tv_sec = timeout_us / 1000000, .tv_nsec = (long)(timeout_us % 1000000) * 1000};
    struct epoll_event ready[SLUICE_EVENTS_MAX];
    int32_t count = result(syscall(SYS_epoll_pwait2, epoll_fd, ready, max, &timeout, NULL, 0));
    if (count == -EINTR) return 0;
    if (count > 0) translate(events, ready, count);
    return count;
}

int32_t sluice_poll(int32_t epoll_fd, int32_t timeout_ms) {
    if (!is_descriptor(epoll_fd)) return -EBADF;
    if (timeout_ms < -1) return -EINVAL;
    struct pollfd one = {.fd = epoll_fd, .events = POLLIN};
    int count = poll(&one, 1, timeout_ms);
    if (count < 0) return errno == EINTR ? 0 : -errno;
    if (count > 0 && (one.revents & POLLNVAL)) return -EBADF;
    return count;
}

int32_t sluice_eventfd(void) {
    return result(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
}

int32_t sluice_eventfd_signal(int32_t fd) {
    int32_t status = sluice_check_other(fd);
    if (status < 0) return status;
    const uint64_t one = 1;
    return write(fd, &one, sizeof one) < 0 ? -errno : 0;
}

int32_t sluice_eventfd_drain(int32_t fd) {
    int32_t status = sluice_check_other(fd);
    if (status < 0) return status;
    uint64_t count;
    ssize_t n = read(fd, &count, sizeof count);
    if (n < 0) return errno == EAGAIN ? 0 : -errno;
    return n == (ssize_t)sizeof count ? 1 : -EINVAL;
}

int32_t sluice_timerfd(void) {
    return result(timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC));
}

int32_t sluice_timerfd_set(int32_t fd, int32_t ms) {
    int32_t status = sluice_check_other(fd);
    if (status < 0) return status;
    if (ms < 0) return -EINVAL;
    const struct itimerspec when = {.it_value = {.tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000}};
    return result(timerfd_settime(fd, 0, &when, NULL));
}

int32_t sluice_close_descriptor(int32_t fd) {
    int32_t status = sluice_check_other(fd);
    return status < 0 ? status : result(close(fd));
}

static int32_t check_aio(const void *state, int32_t capacity) {
    if (state == NULL) return -EFAULT;
    return is_array(capacity, 1, sizeof(struct sluice_aio), 1) ? 0 : -EINVAL;
}

static aio_context_t aio_context(const void *state) {
    struct sluice_aio aio;
    memcpy(&aio, state, sizeof aio);
    return (aio_context_t)aio.context;
}

int32_t sluice_aio_setup(void *state, int32_t capacity) {
    int32_t status = check_aio(state, capacity);
    if (status < 0) return status;
    aio_context_t context = 0;
    if (syscall(SYS_io_setup, AIO_EVENTS, &context) < 0) return -errno;
    const struct sluice_aio aio = {.context = (uint64_t)context};
    memcpy(state, &aio, sizeof aio);
    return 0;
}

int32_t sluice_aio_arm(void *state, int32_t capacity, int32_t epoll_fd, int32_t event_fd) {
    int32_t status = check_aio(state, capacity);
    if (status < 0) return status;
    if (!is_descriptor(epoll_fd) || !is_descriptor(event_fd)) return -EBADF;
    struct iocb request;
    memset(&request, 0, sizeof request);
    request.aio_fildes = (uint32_t)epoll_fd;
    request.aio_lio_opcode = AIO_POLL;
    request.aio_buf = POLLIN;
    request.aio_flags = IOCB_FLAG_RESFD;
    request.aio_resfd = (uint32_t)event_fd;
    struct iocb *requests[1] = {&request};
    return result(syscall(SYS_io_submit, aio_context(state), 1, requests));
}

int32_t sluice_aio_drain(void *state, int32_t capacity) {
    int32_t status = check_aio(state, capacity);
    if (status < 0) return status;
    struct io_event done[AIO_EVENTS];
    const struct timespec zero = {0, 0};
    return result(syscall(SYS_io_getevents, aio_context(state), 0, AIO_EVENTS, done, &zero));
}

int32_t sluice_aio_destroy(void *state, int32_t capacity) {
    int32_t status = check_aio(state, capacity);
    if (status < 0) return status;
    int32_t done = result(syscall(SYS_io_destroy, aio_context(state)));
    const struct sluice_aio none = {0};
    memcpy(state, &none, sizeof none);
    return done;
}
