/**
 * NUMA memory policies of mappings (mbind): on which nodes their new pages are to be. They are set before pages
 * come back, so that these lie where they should. On a machine without those nodes a mapping goes without its
 * policy, with a warning.
 *
 * Lost: home nodes (set_mempolicy_home_node), which cannot be asked for.
 */
import type { DumpTask } from "../../engine/dump-task.ts";
import type { Kind } from "../../engine/kind.ts";
import type { CriuWasmMemoryPolicy, VmaEntry } from "../../generated/messages.ts";
import { MPOL_DEFAULT, MPOL_F_ADDR } from "../../kernel/abi/mempolicy.ts";
import { errnoName } from "../../kernel/errno.ts";
import type { Batch, BatchArg } from "../../remote/batch.ts";
import { inBatches } from "../../remote/remote.ts";
import { isKernels } from "./vma.ts";

/** Nodes that a mask has room for: the most that any kernel is built for. */
const MAX_NODES = 1024;

/** Queues the question for a policy; `how` are the arguments of get_mempolicy after the mask. */
export function askPolicy(batch: Batch, ...how: BatchArg[]): () => CriuWasmMemoryPolicy | undefined {
  const mode = batch.room(4);
  const nodes = batch.room(MAX_NODES / 8);
  const asked = batch.call("get_mempolicy", [mode, nodes, MAX_NODES, ...how], { mayFail: true });
  return () => {
    const policy = mode.bytes.readUInt32LE(0);
    // The kernel may know of no nodes.
    if (asked.failed || policy === MPOL_DEFAULT) return undefined;
    const used = nodes.bytes.findLastIndex((byte) => byte !== 0) + 1;
    return { mode: policy, nodes: nodes.bytes.subarray(0, used) };
  };
}

/** Mode, mask and its size, as set_mempolicy and mbind take them. */
export function policyArguments(batch: Batch, { mode, nodes }: CriuWasmMemoryPolicy): BatchArg[] {
  if (!nodes?.length) return [mode, 0, 0];
  const mask = Buffer.alloc(MAX_NODES / 8);
  mask.set(nodes.subarray(0, mask.length));
  // The kernel leaves the last bit of a mask out.
  return [mode, batch.bytes(mask), MAX_NODES + 1];
}

/** Mappings that have a policy: asked for without its nodes, of which there is room for few at a time. */
function withPolicy({ leader, mm }: DumpTask): VmaEntry[] {
  const mappings = mm.vmas!.filter((vma) => !isKernels(vma));
  const modes = inBatches(leader.remote, mappings, (batch, { start }) => {
    const mode = batch.room(4);
    const asked = batch.call("get_mempolicy", [mode, 0, 0, start, MPOL_F_ADDR], { mayFail: true });
    return () => (asked.failed ? MPOL_DEFAULT : mode.bytes.readUInt32LE(0));
  });
  return mappings.filter((_, index) => modes[index]!() !== MPOL_DEFAULT);
}

export const mappingPolicy: Kind = {
  name: "memory policy of a mapping",
  after: ["memory"],

  dumpTask(task) {
    return () => {
      const mappings = withPolicy(task);
      const answers = inBatches(task.leader.remote, mappings, (batch, { start }) =>
        askPolicy(batch, start, MPOL_F_ADDR),
      );
      for (const [index, vma] of mappings.entries()) {
        vma.criu_wasm = { ...vma.criu_wasm, memory_policy: answers[index]!() };
      }
    };
  },

  restoreTask: {
    memory(task) {
      const mappings = task.mm.vmas.filter((vma) => vma.criu_wasm?.memory_policy);
      task.inBatches(mappings, ({ start, end, criu_wasm }, batch) => {
        const policy = policyArguments(batch, criu_wasm!.memory_policy!);
        const set = batch.call("mbind", [start, end - start, ...policy, 0], { mayFail: true });
        return () => {
          if (!set.failed) return;
          const what = `memory at 0x${start.toString(16)} comes back without its memory policy`;
          task.context.warn(`pid ${task.pid}: ${what}: ${errnoName(-set.result)}`);
        };
      });
    },
  },
};
