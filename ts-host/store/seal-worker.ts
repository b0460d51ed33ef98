/** A thread that compresses and writes regions of a pack. */
import { workerData } from "node:worker_threads";
import { SealSlots, type SharedSlots } from "./seal-slots.ts";

new SealSlots(workerData as SharedSlots).work();
