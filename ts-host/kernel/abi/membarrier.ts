/**
 * membarrier (linux/membarrier.h).
 */

/** Gives the registrations of the process, each as the bit of the command that registers it. */
export const MEMBARRIER_CMD_GET_REGISTRATIONS = 512;
