/** A thread that compresses regions of a pack. */
import { workerData } from "node:worker_threads";
import { Core } from "../wasm/core.ts";
import { SealSlots, type SharedSlots } from "./seal-slots.ts";

const shared = workerData as SharedSlots;
Core.use(shared.core);
new SealSlots(shared).work();
