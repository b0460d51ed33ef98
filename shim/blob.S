/*
 * The batch blob: the only code that ever runs inside a target. It is given a list of system calls, makes
 * them, and traps. Position independent; no stack, no call or return, no FPU.
 *
 * In:  rbx = address of the arena header, r12 = first op, r13 = number of ops.
 * Header: u64 done, the number of ops whose result was stored.
 * Op (64 bytes): u32 nr | u16 flags (1 = MAY_FAIL) | u16 kinds (2 bits an argument) | u64 arg[6] | i64 ret
 * Argument kinds: 0 the value itself, 1 a u32 and 2 a u64 to load from header + value.
 * Out: int3. r13 = ops not made. An op that fails without MAY_FAIL is made, and is the last.
 */
	.text
	.globl	cw_blob_start, cw_blob_end
	.hidden	cw_blob_start, cw_blob_end

/* Resolves one argument into \reg. ebp holds the kinds, the lowest two bits being this argument's. */
.macro	ARG	reg, offset
	mov	\offset(%r12), \reg
	shr	%ebp
	jnc	1f
	mov	(%rbx, \reg), %eax
	mov	%rax, \reg
1:	shr	%ebp
	jnc	2f
	mov	(%rbx, \reg), \reg
2:
.endm

cw_blob_start:
.Lnext:	test	%r13, %r13
	jz	.Ltrap
	movzwl	6(%r12), %ebp
	ARG	%rdi, 8
	ARG	%rsi, 16
	ARG	%rdx, 24
	ARG	%r10, 32
	ARG	%r8, 40
	ARG	%r9, 48
	mov	(%r12), %eax
	syscall
	mov	%rax, 56(%r12)
	incq	(%rbx)
	dec	%r13
	testb	$1, 4(%r12)
	lea	64(%r12), %r12
	jnz	.Lnext
	cmp	$-4095, %rax
	jb	.Lnext
.Ltrap:	int3
cw_blob_end:

	.section .note.GNU-stack, "", @progbits
