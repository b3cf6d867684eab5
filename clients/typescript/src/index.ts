export { createHeliosClient, type HeliosClient, type HeliosClientOptions } from "./client.ts";
export { enumName } from "./enums.ts";
export { errorInfo, type HeliosErrorInfo } from "./errors.ts";
export { type Invocation, type InvokeOptions, invoke } from "./invoke.ts";
export { type OpenStream, type ResumeOptions, resumeWatch, type WatchConnection, type WatchFrame } from "./watch.ts";
export {
  type WatchEvent,
  type WatchOptions,
  watchBreakers,
  watchEvents,
  watchFlags,
  watchModules,
} from "./watches.ts";
