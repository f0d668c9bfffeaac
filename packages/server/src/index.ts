export { createApp } from "./app.ts";
export { ConfigError } from "./config.ts";
export { createGuard, type Caller, type Guard } from "./guard.ts";
export { runServer, type ServerHost } from "./main.ts";
export type { AppParts } from "./parts.ts";
export { openQueue, type Queue, type QueueOptions } from "./queue/queue.ts";
export { openSqliteStore } from "./store/sqlite/store.ts";
export type { Store } from "./store/store.ts";
