/*
 * A thread spins inside a critical section, which it may leave by the abort handler only: a signal, too,
 * aborts it. Left any other way, rseq_cs was lost while the section was interrupted.
 */
#include "rseq.h"
#include "threads.h"

static volatile int stop, entered, aborted, committed;

static void on_stop(int signal_number) {
  (void)signal_number;
  stop = 1;
}

static void enter_section(volatile struct rseq *rseq) {
  __asm__ goto volatile(".pushsection __rseq_cs, \"aw\"\n .balign 32\n"
                        "9: .long 0, 0\n .quad 1f, 2f - 1f, 3f\n .popsection\n"
                        "leaq 9b(%%rip), %%rax\n movq %%rax, %[rseq_cs]\n"
                        "1: incl %[entered]\n"
                        "4: pause\n cmpl $0, %[stop]\n je 4b\n"
                        "incl %[committed]\n"
                        "2: jmp %l[done]\n"
                        /* An undefined instruction with the signature precedes the abort handler. */
                        ".byte 0x0f, 0xb9, 0x3d\n .long 0x53053053\n"
                        "3: jmp %l[abort]\n"
                        :
                        : [rseq_cs] "m"(rseq->rseq_cs), [entered] "m"(entered), [stop] "m"(stop),
                          [committed] "m"(committed)
                        : "memory", "cc", "rax"
                        : done, abort);
abort:
  aborted++;
done:;
}

static void *spin(void *unused) {
  while (!stop) enter_section(own_rseq());
  return unused;
}

int main(void) {
  if (!library_has_rseq()) SKIP("the C library does not use rseq");
  struct sigaction action = {.sa_handler = on_stop};
  CHECK(sigaction(SIGUSR1, &action, NULL) == 0);
  pthread_t thread;
  CHECK(pthread_create(&thread, NULL, spin, NULL) == 0);
  while (!entered) usleep(1000);

  ready_and_wait();
  int before = aborted;
  CHECK(pthread_kill(thread, SIGUSR1) == 0 && pthread_join(thread, NULL) == 0);
  CHECK_EQUAL(committed, 0);
  CHECK(aborted > before);
  return pass();
}
