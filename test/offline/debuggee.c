/* What a debugger is asked about: nested calls, a list on the heap, threads, a vector register. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

struct node {
  int number;
  struct node *next;
  char text[32];
};

struct node *list;
int answer = 4711;
static const char vector[16] = "in a register!!";

static void wait_for_ever(void) {
#ifdef __x86_64__
  __asm__ volatile("movdqu %0, %%xmm7\n"
                   "1: mov %1, %%eax\n"
                   "syscall\n"
                   "jmp 1b"
                   :
                   : "m"(vector), "i"(SYS_pause)
                   : "rax", "rcx", "r11", "memory");
#endif
}

static int descend(int depth, const char *name) {
  if (depth == 0) wait_for_ever();
  return descend(depth - 1, name) + 1;
}

static void *work(void *argument) {
  volatile long mine = (long)argument;
  for (;;) pause();
  return (void *)mine;
}

int main(void) {
  for (int descriptor = 3; descriptor < 1024; descriptor++) close(descriptor);
  for (int number = 0; number < 3; number++) {
    struct node *node = malloc(sizeof *node);
    node->number = number;
    node->next = list;
    snprintf(node->text, sizeof node->text, "node %d", number);
    list = node;
  }
  for (long number = 70; number < 73; number++) {
    pthread_t thread;
    pthread_create(&thread, NULL, work, (void *)number);
  }
  puts("READY");
  fflush(stdout);
  return descend(3, "deep");
}
