/*
 * Main and five threads spin in assembly with patterns of their own in the registers, two each in the general
 * ones, in the vector ones (XMM, YMM or ZMM and masks, as far as the machine has them), and in x87 and the
 * control words. What they hold is compared afterwards.
 */
#include <pthread.h>

#include "pattern.h"

#define THREADS 5

struct registers {
  uint64_t general[11]; /* rbx rbp rcx r8 to r15 */
  char vectors[32][64];
  uint64_t masks[8];
  double x87[8];
  uint32_t sse_control;
  uint16_t x87_control;
};

static int width; /* bytes of a vector register that are compared */
static int ready_count;

#define SPIN "1: pause; cmpl $0, (%2); je 1b\n"

/* Without a stack, as signals may come; rax keeps rbp. */
static void spin_general(struct registers *in, struct registers *out) {
  __asm__ volatile("mov %%rbp, %%rax\n"
                   "mov 0(%0), %%rbx; mov 8(%0), %%rbp; mov 16(%0), %%rcx; mov 24(%0), %%r8; mov 32(%0), %%r9\n"
                   "mov 40(%0), %%r10; mov 48(%0), %%r11; mov 56(%0), %%r12; mov 64(%0), %%r13\n"
                   "mov 72(%0), %%r14; mov 80(%0), %%r15\n" SPIN
                   "mov %%rbx, 0(%1); mov %%rbp, 8(%1); mov %%rcx, 16(%1); mov %%r8, 24(%1); mov %%r9, 32(%1)\n"
                   "mov %%r10, 40(%1); mov %%r11, 48(%1); mov %%r12, 56(%1); mov %%r13, 64(%1)\n"
                   "mov %%r14, 72(%1); mov %%r15, 80(%1)\n"
                   "mov %%rax, %%rbp\n"
                   :
                   : "D"(in->general), "S"(out->general), "d"(&told_to_go)
                   : "rax", "rbx", "rcx", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15", "memory", "cc");
}

#define EACH(op)                                                                                             \
  op(0) op(1) op(2) op(3) op(4) op(5) op(6) op(7) op(8) op(9) op(10) op(11) op(12) op(13) op(14) op(15)
#define UPPER(op)                                                                                            \
  op(16) op(17) op(18) op(19) op(20) op(21) op(22) op(23)                                                    \
      op(24) op(25) op(26) op(27) op(28) op(29) op(30) op(31)
#define MASKS(op) op(0) op(1) op(2) op(3) op(4) op(5) op(6) op(7)
#define LOAD(n) "movups " #n "*64(%0), %%xmm" #n "\n"
#define STORE(n) "movups %%xmm" #n ", " #n "*64(%1)\n"
#define LOAD_AVX(n) "vmovups " #n "*64(%0), %%ymm" #n "\n"
#define STORE_AVX(n) "vmovups %%ymm" #n ", " #n "*64(%1)\n"
#define LOAD_AVX512(n) "vmovups " #n "*64(%0), %%zmm" #n "\n"
#define STORE_AVX512(n) "vmovups %%zmm" #n ", " #n "*64(%1)\n"
#define LOAD_MASK(n) "kmovw 2048+" #n "*8(%0), %%k" #n "\n"
#define STORE_MASK(n) "kmovw %%k" #n ", 2048+" #n "*8(%1)\n"
#define VECTOR_OPERANDS                                                                                      \
  ::"D"(in->vectors), "S"(out->vectors), "d"(&told_to_go)                                                    \
      : "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11",    \
        "xmm12", "xmm13", "xmm14", "xmm15", "memory", "cc"

static void spin_vectors(struct registers *in, struct registers *out) {
  if (width == 64) {
    __asm__ volatile(EACH(LOAD_AVX512) UPPER(LOAD_AVX512) MASKS(LOAD_MASK) SPIN EACH(STORE_AVX512)
                         UPPER(STORE_AVX512) MASKS(STORE_MASK) "vzeroupper\n" VECTOR_OPERANDS);
  } else if (width == 32) {
    __asm__ volatile(EACH(LOAD_AVX) SPIN EACH(STORE_AVX) "vzeroupper\n" VECTOR_OPERANDS);
  } else {
    __asm__ volatile(EACH(LOAD) SPIN EACH(STORE) VECTOR_OPERANDS);
  }
}

static void compare_vectors(struct registers *in, struct registers *out) {
  for (int n = 0; n < (width == 64 ? 32 : 16); n++) {
    CHECK(memcmp(in->vectors[n], out->vectors[n], (size_t)width) == 0);
  }
  for (int n = 0; n < 8 && width == 64; n++) CHECK_EQUAL((uint16_t)out->masks[n], (uint16_t)in->masks[n]);
}

static void spin_x87(struct registers *in, struct registers *out) {
  __asm__ volatile("fldcw (%3)\n ldmxcsr (%4)\n"
                   "fldl 0(%0); fldl 8(%0); fldl 16(%0); fldl 24(%0); fldl 32(%0); fldl 40(%0); fldl 48(%0)\n"
                   "fldl 56(%0)\n" SPIN
                   "fstpl 56(%1); fstpl 48(%1); fstpl 40(%1); fstpl 32(%1); fstpl 24(%1); fstpl 16(%1)\n"
                   "fstpl 8(%1); fstpl 0(%1)\n fnstcw (%5)\n stmxcsr (%6)\n"
                   :
                   : "D"(in->x87), "S"(out->x87), "d"(&told_to_go), "r"(&in->x87_control),
                     "r"(&in->sse_control), "r"(&out->x87_control), "r"(&out->sse_control)
                   : "memory", "cc");
}

static void spin_and_compare(long i) {
  static struct registers ins[THREADS + 1], outs[THREADS + 1];
  struct registers *in = &ins[i], *out = &outs[i];
  fill(in->general, sizeof in->general, i);
  fill(in->vectors, sizeof in->vectors + sizeof in->masks, i + 100);
  for (int n = 0; n < 8; n++) in->x87[n] = 1.0 / (double)(3 + n + i * 8);
  in->x87_control = (uint16_t)(0x37f | (i % 4) << 10); /* rounding differs */
  in->sse_control = 0x1f80 | (uint32_t)(i % 4) << 13;
  __atomic_add_fetch(&ready_count, 1, __ATOMIC_SEQ_CST);
  switch (i % 3) {
    case 0:
      spin_general(in, out);
      CHECK(memcmp(in->general, out->general, sizeof in->general) == 0);
      break;
    case 1:
      spin_vectors(in, out);
      compare_vectors(in, out);
      break;
    case 2:
      spin_x87(in, out);
      CHECK(memcmp(in->x87, out->x87, sizeof in->x87) == 0);
      CHECK_EQUAL(out->x87_control, in->x87_control);
      CHECK_EQUAL(out->sse_control, in->sse_control);
  }
}

static void *run(void *index) {
  spin_and_compare((long)index);
  return NULL;
}

int main(void) {
  width = __builtin_cpu_supports("avx512f") ? 64 : __builtin_cpu_supports("avx") ? 32 : 16;
  pthread_t threads[THREADS];
  for (long i = 0; i < THREADS; i++) CHECK(pthread_create(&threads[i], NULL, run, (void *)(i + 1)) == 0);
  while (__atomic_load_n(&ready_count, __ATOMIC_SEQ_CST) < THREADS) usleep(1000);
  let_go_interrupt();
  ready();
  spin_and_compare(0);
  for (int i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
  return pass();
}
