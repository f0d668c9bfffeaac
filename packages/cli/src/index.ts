export type { Host, Input, Output, Program } from "./host.ts";
export { runCli } from "./program.ts";
