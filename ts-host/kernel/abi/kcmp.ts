/**
 * kcmp: whether two tasks share an object (linux/kcmp.h).
 */

import { struct } from "./layout.ts";

export const KCMP_FILE = 0;
export const KCMP_VM = 1;
export const KCMP_FILES = 2;
export const KCMP_FS = 3;
export const KCMP_SIGHAND = 4;
export const KCMP_IO = 5;
export const KCMP_SYSVSEM = 6;
export const KCMP_EPOLL_TFD = 7;

/** Fifth argument with KCMP_EPOLL_TFD. */
export const kcmpEpollSlot = struct("kcmp_epoll_slot", { efd: "u32", tfd: "u32", toff: "u32" });
