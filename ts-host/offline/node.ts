/** criu-wasm/offline under Node: all of it, and checkpoints in directories. */
export * from "./index.ts";
export { openDirectory, openPath } from "./open-path.ts";
