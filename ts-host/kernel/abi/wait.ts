/**
 * wait4 and waitid: options, and what a status means (linux/wait.h).
 */

export const WNOHANG = 1;
export const WUNTRACED = 2;
export const WSTOPPED = 2;
export const WEXITED = 4;
export const WCONTINUED = 8;
export const WNOWAIT = 0x1000000;
export const __WNOTHREAD = 0x20000000;
export const __WALL = 0x40000000;
export const __WCLONE = 0x80000000;
export const P_ALL = 0;
export const P_PID = 1;
export const P_PGID = 2;
export const P_PIDFD = 3;

/** What a wait status says. `event` is a PTRACE_EVENT_ number, 0 for a plain stop. */
export type WaitStatus =
  | { kind: "exited"; code: number }
  | { kind: "killed"; signal: number; coreDumped: boolean }
  | { kind: "stopped"; signal: number; event: number }
  | { kind: "continued" };

export function decodeWaitStatus(status: number): WaitStatus {
  if (status === 0xffff) return { kind: "continued" };
  const low = status & 0x7f;
  const high = (status >> 8) & 0xff;
  if (low === 0x7f) return { kind: "stopped", signal: high, event: status >>> 16 };
  if (low === 0) return { kind: "exited", code: high };
  return { kind: "killed", signal: low, coreDumped: (status & 0x80) !== 0 };
}
