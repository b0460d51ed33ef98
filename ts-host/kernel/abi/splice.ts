/**
 * Moving pages by pipes: splice, vmsplice (fcntl.h of the C library).
 */

export const SPLICE_F_NONBLOCK = 2;
