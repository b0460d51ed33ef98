/*
 * The batch blob: the only code that ever runs inside a target. It makes the system calls of a list and then
 * sends its own thread a signal, at which the tracer stops the thread. Position independent; no stack, no
 * call or return, no FPU. shim/README.md has the whole ABI.
 *
 * In:  rbx = address of the arena's header, r12 = first op, r13 = number of ops, r14 = all signals but the one
 *      to be sent, r15 = that signal; all signals are blocked; rsp is the thread's own.
 * Out: stopped at cw_blob_stand. Header and ops say what was done.
 *
 * A thread that nobody stops there has lost its tracer. It puts its own mask and registers back and goes on
 * as if nothing had been done to it.
 */
#include "arena.h"

	.text
	.globl	cw_blob_start, cw_blob_stand, cw_blob_end
	.hidden	cw_blob_start, cw_blob_stand, cw_blob_end

/* The mask at rsi. */
.macro	SET_MASK
	xor	%edx, %edx
	lea	14(%rdx), %eax		/* rt_sigprocmask */
	lea	2(%rdx), %edi		/* SIG_SETMASK */
	lea	8(%rdx), %r10d
	syscall
.endm

cw_blob_start:
.Lnext:	test	%r13, %r13
	jz	.Ldone

	/* Arguments that are to be loaded take the place of their offsets. ebp: the kinds still to be seen. */
	movzwl	OP_KINDS(%r12), %ebp
	lea	OP_ARGS(%r12), %rdi
.Larg:	test	%ebp, %ebp
	jz	.Lcall
	mov	(%rdi), %rax
	shr	%ebp
	jnc	1f
	mov	(%rbx, %rax), %eax	/* LOAD32 */
1:	shr	%ebp
	jnc	2f
	mov	(%rbx, %rax), %rax	/* LOAD64 */
2:	mov	%rax, (%rdi)
	add	$8, %rdi
	jmp	.Larg

.Lcall:	mov	OP_ARGS + 0(%r12), %rdi
	mov	OP_ARGS + 8(%r12), %rsi
	mov	OP_ARGS + 16(%r12), %rdx
	mov	OP_ARGS + 24(%r12), %r10
	mov	OP_ARGS + 32(%r12), %r8
	mov	OP_ARGS + 40(%r12), %r9
	mov	OP_NR(%r12), %eax
	syscall
	mov	%rax, OP_RET(%r12)
	incq	HEADER_DONE(%rbx)
	dec	%r13
	test	%rax, %rax
	jnz	3f
	testb	$2, OP_FLAGS(%r12)	/* CHILD_ENDS */
	jz	3f
	mov	$231, %al		/* exit_group: a child whose tracer died before it could hold it */
	syscall
3:
	testb	$1, OP_FLAGS(%r12)	/* MAY_FAIL */
	lea	OP_SIZE(%r12), %r12
	jnz	.Lnext
	cmp	$-4095, %rax
	jb	.Lnext

.Ldone:	mov	%r14, HEADER_END_MASK(%rbx)
	lea	HEADER_END_MASK(%rbx), %rsi
	SET_MASK
	mov	$186, %eax		/* gettid */
	syscall
	mov	%eax, %edi
	mov	%r15d, %esi
	mov	$200, %eax		/* tkill */
	syscall
cw_blob_stand:
	lea	HEADER_MASK(%rbx), %rsi
	SET_MASK
	/* From here on signals may come; their frames go below rsp, into the room before the header. */
	lea	HEADER_REGISTERS(%rbx), %rsp
	pop	%r15
	pop	%r14
	pop	%r13
	pop	%r12
	pop	%rbp
	pop	%rbx
	pop	%r11
	pop	%r10
	pop	%r9
	pop	%r8
	pop	%rax
	pop	%rcx
	pop	%rdx
	pop	%rsi
	pop	%rdi
	lea	24(%rsp), %rsp		/* orig_rax, rip, cs */
	popfq
	pop	%rsp
	jmp	*cw_blob_start + ARENA_BASE + HEADER_REGISTERS + 16 * 8(%rip)
cw_blob_end:

	.section .note.GNU-stack, "", @progbits
