/**
 * Clocks and timers: setitimer, timer_create, timerfd (linux/time.h, linux/timerfd.h).
 */

import { struct } from "./layout.ts";

export const CLOCK_REALTIME = 0;
export const CLOCK_MONOTONIC = 1;
export const CLOCK_PROCESS_CPUTIME_ID = 2;
export const CLOCK_THREAD_CPUTIME_ID = 3;
export const CLOCK_MONOTONIC_RAW = 4;
export const CLOCK_REALTIME_COARSE = 5;
export const CLOCK_MONOTONIC_COARSE = 6;
export const CLOCK_BOOTTIME = 7;
export const CLOCK_REALTIME_ALARM = 8;
export const CLOCK_BOOTTIME_ALARM = 9;
export const CLOCK_TAI = 11;

export const ITIMER_REAL = 0;
export const ITIMER_VIRTUAL = 1;
export const ITIMER_PROF = 2;
export const TIMER_ABSTIME = 1;

export const TFD_TIMER_ABSTIME = 1;
export const TFD_TIMER_CANCEL_ON_SET = 2;
export const TFD_CLOEXEC = 0x80000;
export const TFD_NONBLOCK = 0x800;
export const TFD_IOC_SET_TICKS = 0x40085400;

export const timespec = struct("timespec", { tv_sec: "i64", tv_nsec: "i64" });

export const timeval = struct("timeval", { tv_sec: "i64", tv_usec: "i64" });

/** For getitimer and setitimer. */
export const itimerval = struct("itimerval", { it_interval: timeval, it_value: timeval });

/** For timer_settime and timerfd_settime. */
export const itimerspec = struct("itimerspec", { it_interval: timespec, it_value: timespec });
