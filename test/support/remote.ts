/** A victim, stopped, in which a test makes system calls. */
import type { TestContext } from "node:test";
import { PTRACE_O_TRACESYSGOOD } from "../../ts-host/kernel/abi/ptrace.ts";
import { Arena } from "../../ts-host/remote/arena.ts";
import { BlobRemote } from "../../ts-host/remote/blob.ts";
import type { Remote } from "../../ts-host/remote/remote.ts";
import { StepRemote } from "../../ts-host/remote/step.ts";
import { Tracee } from "../../ts-host/remote/tracee.ts";
import { findSyscallInstruction } from "../../ts-host/remote/vdso.ts";
import { victims } from "../victims/catalogue.ts";
import { startVictim, type Victim } from "./victim.ts";

const STOP_TIMEOUT_US = 10_000_000;

export type BackEnd = "step" | "blob";
export const BACK_ENDS: readonly BackEnd[] = ["step", "blob"];

export interface StoppedVictim {
  victim: Victim;
  tracee: Tracee;
  arena: Arena;
  remote(backEnd: BackEnd, deadlineUs?: number): Remote;
  /** Takes the arena back and lets it run on. */
  release(): void;
}

/** A single-threaded victim, stopped and with an arena; undefined when the test has been skipped. */
export async function stoppedVictim(t: TestContext, name: string): Promise<StoppedVictim | undefined> {
  const victim = await startVictim(t, victims.find((entry) => entry.name === name)!);
  if (!victim) return undefined;
  const tracee = Tracee.seize(victim.pid, PTRACE_O_TRACESYSGOOD, STOP_TIMEOUT_US);
  tracee.interrupt();
  tracee.waitForInterrupt(STOP_TIMEOUT_US);
  const instruction = findSyscallInstruction(victim.pid);
  const arena = Arena.map(new StepRemote(tracee, instruction));
  return {
    victim,
    tracee,
    arena,
    remote: (backEnd, deadlineUs) =>
      backEnd === "step"
        ? new StepRemote(tracee, instruction, arena, deadlineUs)
        : new BlobRemote(tracee, arena, undefined, deadlineUs),
    release() {
      arena.unmap(new StepRemote(tracee, instruction));
      tracee.detach();
    },
  };
}
