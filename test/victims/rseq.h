/* The C library's own registration of restartable sequences, where it made one. */
#pragma once

#include <linux/rseq.h>
#include <stddef.h>

#include "victim.h"

#define SIGNATURE 0x53053053

/* Since glibc 2.35; weak, so that an older one or musl still links. */
extern const ptrdiff_t __rseq_offset __attribute__((weak));
extern const unsigned __rseq_size __attribute__((weak));

static inline int library_has_rseq(void) { return &__rseq_size && __rseq_size > 0; }

static inline volatile struct rseq *own_rseq(void) {
  return (struct rseq *)((char *)__builtin_thread_pointer() + __rseq_offset);
}
