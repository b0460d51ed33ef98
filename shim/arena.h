/*
 * The layout of the arena as the blob sees it. ts-host/remote/arena.ts and batch.ts have the same numbers;
 * a test compares them.
 */
#define ARENA_BASE 0x8000	/* of the header, from the start of the mapping, where the blob is */
#define HEADER_DONE 0		/* u64: ops made */
#define HEADER_MASK 8		/* u64: the thread's own signal mask */
#define HEADER_REGISTERS 16	/* the thread's own registers, a struct user_regs_struct */
#define HEADER_END_MASK 232	/* u64: the blob's own use */
#define HEADER_SIZE 256

#define OP_NR 0			/* u32 */
#define OP_FLAGS 4		/* u16; 1: MAY_FAIL, 2: CHILD_ENDS */
#define OP_KINDS 6		/* u16: 2 bits an argument; 1: LOAD32, 2: LOAD64 */
#define OP_ARGS 8		/* u64, six of them */
#define OP_RET 56		/* i64 */
#define OP_SIZE 64
