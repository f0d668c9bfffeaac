export { serveOverHttp, type HttpOptions } from "./http.ts";
export { makeMcpServer, serveOverStdio, type Pipes } from "./server.ts";
export type { Desk } from "./wait.ts";
