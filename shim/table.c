/*
 * table.c: who a descriptor belongs to. The connection table is memory of the caller's that all threads share; here is
 * the one place that turns (descriptor, generation) into an answer. The generation makes a stale id harmless: the
 * kernel gives a closed number to the next client at once, the generation it does not.
 */
#include "check.h"

#include <sys/resource.h>
#include <time.h>

#ifndef SLUICE_BUILD_HASH
#define SLUICE_BUILD_HASH 0
#endif

_Thread_local struct sluice_view sluice_view;

_Static_assert(sizeof(struct sluice_entry) == 64, "one entry is one cache line");
_Static_assert(sizeof(struct sluice_event) == 12, "TypeScript reads three words an event");
_Static_assert(sizeof(struct sluice_peer) == 28, "TypeScript reads seven words a peer");

int32_t sluice_abi_version(void) {
    return SLUICE_ABI_VERSION;
}

int32_t sluice_build_hash(void) {
    return (int32_t)(SLUICE_BUILD_HASH & 0x7fffffffu);
}

int32_t sluice_record_size(int32_t kind) {
    switch (kind) {
    case 0: return sizeof(struct sluice_entry);
    case 1: return sizeof(struct sluice_event);
    case 2: return sizeof(struct sluice_peer);
    case 3: return sizeof(struct sluice_aio);
    default: return -EINVAL;
    }
}

int32_t sluice_table(void *memory, int32_t capacity) {
    if (memory == NULL) {
        if (capacity != 0) return -EFAULT;
        sluice_view.table = NULL;
        sluice_view.entries = 0;
        return 0;
    }
    if ((uintptr_t)memory % _Alignof(struct sluice_entry) != 0) return -EINVAL;
    if (capacity < (int32_t)sizeof(struct sluice_entry) || capacity % (int32_t)sizeof(struct sluice_entry) != 0)
        return -EINVAL;
    sluice_view.table = memory;
    sluice_view.entries = capacity / (int32_t)sizeof(struct sluice_entry);
    return 0;
}

/* The monotonic clock in units of which a second has `per_second`, modulo 2^31. */
static int32_t now(uint32_t per_second) {
    struct timespec time;
    if (clock_gettime(CLOCK_MONOTONIC, &time) < 0) return -errno;
    const uint64_t units = (uint64_t)time.tv_sec * per_second + (uint64_t)time.tv_nsec / (1000000000u / per_second);
    return (int32_t)(units & 0x7fffffffu);
}

int32_t sluice_now_ms(void) {
    return now(1000);
}

int32_t sluice_now_us(void) {
    return now(1000000);
}

int32_t sluice_rlimit_nofile(void) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0) return -errno;
    return limit.rlim_cur > 0x7fffffffu ? 0x7fffffff : (int32_t)limit.rlim_cur;
}

int32_t sluice_check_other(int32_t fd) {
    if (!is_descriptor(fd)) return -EBADF;
    const struct sluice_entry *entry = sluice_entry_of(fd);
    return entry != NULL && __atomic_load_n(&entry->state, __ATOMIC_ACQUIRE) != SLUICE_FREE ? -EBUSY : 0;
}
