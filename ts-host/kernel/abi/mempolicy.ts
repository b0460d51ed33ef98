/**
 * NUMA memory policies (linux/mempolicy.h).
 */

export const MPOL_DEFAULT = 0;

/** For get_mempolicy: ask about the mapping at an address. */
export const MPOL_F_ADDR = 2;
