export { allocate } from "./memory";
export * from "./transcode/index";
