/* A 32-bit program, without any library: waits for SIGTERM, which it blocks. */
    .set WRITE, 4
    .set EXIT, 1
    .set GETPID, 20
    .set SIGPROCMASK, 175
    .set SIGTIMEDWAIT, 177

    .globl _start
_start:
    movl $SIGPROCMASK, %eax
    movl $0, %ebx               /* SIG_BLOCK */
    movl $term, %ecx
    movl $0, %edx
    movl $8, %esi
    int $0x80

    movl $GETPID, %eax
    int $0x80
    movl $digits_end, %edi      /* the pid in decimal, from its end */
    movl $10, %ecx
1:  movl $0, %edx
    divl %ecx
    addl $'0', %edx
    decl %edi
    movb %dl, (%edi)
    testl %eax, %eax
    jnz 1b

    movl $ready, %ecx
    movl $6, %edx
    call say
    movl %edi, %ecx
    movl $digits_end + 1, %edx
    subl %edi, %edx
    call say

2:  movl $SIGTIMEDWAIT, %eax
    movl $term, %ebx
    movl $0, %ecx
    movl $0, %edx
    movl $8, %esi
    int $0x80
    cmpl $15, %eax              /* SIGTERM, else interrupted */
    jne 2b

    movl $pass, %ecx
    movl $5, %edx
    call say
    movl $EXIT, %eax
    movl $0, %ebx
    int $0x80

say:
    movl $WRITE, %eax
    movl $1, %ebx
    int $0x80
    ret

    .data
term:
    .long 1 << 14, 0
ready:
    .ascii "READY "
pass:
    .ascii "PASS\n"
    .fill 10
digits_end:
    .ascii "\n"
    .section .note.GNU-stack, "", @progbits
