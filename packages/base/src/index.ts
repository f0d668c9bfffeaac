export { abortable, chainOf, messageOf } from "./abort.ts";
export { createBackoff, type Backoff, type BackoffOptions } from "./backoff.ts";
export { systemClock, type Clock, type Timer } from "./clock.ts";
export {
  createLog,
  silentLog,
  type Log,
  type LogFields,
  type LogLevel,
  type LogOptions,
} from "./log.ts";
export { never } from "./never.ts";
