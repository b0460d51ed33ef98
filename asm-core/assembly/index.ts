export { allocate } from "./memory";
export * from "./pages/index";
export * from "./transcode/index";
