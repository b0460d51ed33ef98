export { allocate } from "./memory";
export * from "./pages/index";
export { findBytes } from "./search";
export * from "./transcode/index";
