/* check.h: the argument checks that every function of the shim begins with. Internal: nothing here is exported. */
#ifndef SLUICE_CHECK_H
#define SLUICE_CHECK_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shim.h"

/* 0, 1 and 2 are never ours: a NaN that V8 compiled to 0 must not reach standard input. */
static inline bool is_descriptor(int32_t fd) {
    return fd >= 3;
}

/* Whether [offset, offset + length) lies within [0, capacity), without overflow. */
static inline bool is_window(int32_t capacity, int32_t offset, int32_t length) {
    return capacity >= 0 && offset >= 0 && length >= 0 && length <= capacity && offset <= capacity - length;
}

/* Whether `count` records of `size` bytes fit, 1 <= count <= max. */
static inline bool is_array(int32_t capacity, int32_t count, size_t size, int32_t max) {
    return capacity >= 0 && count >= 1 && count <= max && (size_t)count * size <= (size_t)capacity;
}

/*
 * This thread's view of the connection table. Every call on a connection begins here, so it is read without the call
 * that a library's thread-local variables cost otherwise: 16 bytes of what the loader keeps for that.
 */
struct sluice_view {
    struct sluice_entry *table;
    int32_t entries;
};
extern _Thread_local struct sluice_view sluice_view __attribute__((tls_model("initial-exec"), visibility("hidden")));

/* The table entry of a descriptor, or NULL if the table has none. */
static inline struct sluice_entry *sluice_entry_of(int32_t fd) {
    return sluice_view.table != NULL && is_descriptor(fd) && fd < sluice_view.entries ? &sluice_view.table[fd] : NULL;
}

/* 0 if `fd` names the connection of this generation, else -EBADF or -ESTALE. */
static inline int32_t sluice_check_connection(int32_t fd, int32_t generation) {
    const struct sluice_entry *entry = sluice_entry_of(fd);
    if (entry == NULL) return -EBADF;
    if (generation <= 0 || __atomic_load_n(&entry->generation, __ATOMIC_ACQUIRE) != generation) return -ESTALE;
    if (__atomic_load_n(&entry->state, __ATOMIC_ACQUIRE) == SLUICE_FREE) return -ESTALE;
    return 0;
}

/* 0 if `fd` may be no connection, -EBADF if it is none of ours, -EBUSY if a connection lives there. */
int32_t sluice_check_other(int32_t fd);

/* What a system call returned, as a result or a negated errno. */
static inline int32_t result(long value) {
    return value < 0 ? -errno : (int32_t)value;
}

#endif
