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

/* The table entry of a descriptor, or NULL if the table has none. */
struct sluice_entry *sluice_entry_of(int32_t fd);

/* 0 if `fd` names the connection of this generation, else -EBADF or -ESTALE. */
int32_t sluice_check_connection(int32_t fd, int32_t generation);

/* 0 if `fd` may be no connection, -EBADF if it is none of ours, -EBUSY if a connection lives there. */
int32_t sluice_check_other(int32_t fd);

/* What a system call returned, as a result or a negated errno. */
static inline int32_t result(long value) {
    return value < 0 ? -errno : (int32_t)value;
}

#endif
