/*
 * What every victim shares. A victim sets up one feature, announces READY and waits holding nothing else;
 * told to go (SIGTERM), it checks itself and ends its output with PASS, FAIL: what, or SKIP: what is missing.
 * SIGTERM is blocked outside await_go, also in threads, so that it is never lost and only main gets it.
 */
#pragma once

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define PAGE 4096UL
#define LENGTH(array) (sizeof(array) / sizeof((array)[0]))

/* Neither buffers nor allocates: saying something changes nothing in the victim. */
__attribute__((format(printf, 1, 2))) static inline void say(const char *format, ...) {
  char text[8192];
  va_list values;
  va_start(values, format);
  int length = vsnprintf(text, sizeof text, format, values);
  va_end(values);
  if (length >= (int)sizeof text) length = sizeof text - 1;
  if (write(STDOUT_FILENO, text, (size_t)length) != length) _exit(1);
}

#define CHECK(condition)                                                                                     \
  do {                                                                                                       \
    if (!(condition)) {                                                                                      \
      say("FAIL: %s:%d: %s (errno: %s)\n", __FILE_NAME__, __LINE__, #condition, strerror(errno));            \
      _exit(1);                                                                                              \
    }                                                                                                        \
  } while (0)

#define CHECK_EQUAL(actual, expected)                                                                        \
  do {                                                                                                       \
    long long actual_ = (long long)(actual), expected_ = (long long)(expected);                              \
    if (actual_ != expected_) {                                                                              \
      say("FAIL: %s:%d: %s is %lld, not %lld\n", __FILE_NAME__, __LINE__, #actual, actual_, expected_);      \
      _exit(1);                                                                                              \
    }                                                                                                        \
  } while (0)

#define CHECK_SAME_TEXT(actual, expected)                                                                    \
  do {                                                                                                       \
    const char *actual_ = (actual), *expected_ = (expected);                                                 \
    if (strcmp(actual_, expected_) != 0) {                                                                   \
      say("FAIL: %s:%d: %s is\n%s\nnot\n%s\n", __FILE_NAME__, __LINE__, #actual, actual_, expected_);        \
      _exit(1);                                                                                              \
    }                                                                                                        \
  } while (0)

#define SKIP(reason)                                                                                         \
  do {                                                                                                       \
    say("SKIP: %s\n", reason);                                                                               \
    _exit(77);                                                                                               \
  } while (0)

static volatile sig_atomic_t told_to_go;

static inline void on_go(int signal_number) {
  (void)signal_number;
  told_to_go = 1;
}

static inline sigset_t set_of(int signal_number) {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, signal_number);
  return set;
}

/* Whoever runs the tests may leak descriptors of its own into every process below it. */
__attribute__((constructor)) static void close_what_was_inherited(void) {
  syscall(SYS_close_range, STDERR_FILENO + 1, ~0U, 0);
}

__attribute__((constructor)) static void prepare_go(void) {
  struct sigaction action = {.sa_handler = on_go};
  sigset_t term = set_of(SIGTERM);
  sigaction(SIGTERM, &action, NULL);
  sigprocmask(SIG_BLOCK, &term, NULL);
}

/* For victims whose wait is the feature itself: lets SIGTERM interrupt it. */
static inline void let_go_interrupt(void) {
  sigset_t term = set_of(SIGTERM);
  sigprocmask(SIG_UNBLOCK, &term, NULL);
}

static inline void ready(void) { say("READY %d\n", getpid()); }

static inline void await_go(void) {
  sigset_t mask;
  sigprocmask(SIG_SETMASK, NULL, &mask);
  sigdelset(&mask, SIGTERM);
  while (!told_to_go) sigsuspend(&mask);
}

static inline void ready_and_wait(void) {
  ready();
  await_go();
}

/* `return pass();` ends main. */
static inline int pass(void) {
  say("PASS\n");
  return 0;
}

static inline void need_root(void) {
  if (geteuid() != 0) SKIP("needs root");
}
