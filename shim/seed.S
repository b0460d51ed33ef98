/*
 * The seed: the program every restored task starts as. It only waits, all signals blocked, until the host
 * has seized it and puts the task's own memory in its place.
 */
	.text
	.globl	_start
_start:
	mov	$34, %eax	/* pause */
	syscall
	jmp	_start

	.section .note.GNU-stack, "", @progbits
