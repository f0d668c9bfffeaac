// Two ways to speak HTTP to a server: as a bot would (node:http, kept connections), and leaner, so
// that on two cores the one who asks does not cost more than the one who is measured.

import http from "node:http";
import net from "node:net";

export interface Caller {
  /** The body of a 2xx answer. @throws Error with the status and the body of any other */
  call(method: "GET" | "POST", path: string, body?: string): Promise<string>;
  close(): void;
}

export interface Address {
  readonly url: string;
  readonly token: string;
}

/** node:http with an agent that keeps its connections. */
export function openBotCaller({ url, token }: Address): Caller {
  const { hostname, port } = new URL(url);
  const agent = new http.Agent({ keepAlive: true, maxSockets: 1_000 });
  return {
    close: () => agent.destroy(),
    call: (method, path, body) =>
      new Promise((resolve, reject) => {
        const headers = {
          authorization: `Bearer ${token}`,
          ...(body === undefined
            ? {}
            : { "content-type": "application/json", "content-length": Buffer.byteLength(body) }),
        };
        const sent = http.request({ hostname, port, path, method, agent, headers });
        sent.on("socket", (socket) => socket.setNoDelay(true));
        sent.on("error", reject);
        sent.on("response", (answer) => {
          const chunks: Buffer[] = [];
          answer.on("data", (chunk: Buffer) => chunks.push(chunk));
          answer.on("error", reject);
          answer.on("end", () => {
            const text = Buffer.concat(chunks).toString();
            if (answer.statusCode === 200) resolve(text);
            else reject(new Error(`${method} ${path}: ${answer.statusCode} ${text}`));
          });
        });
        sent.end(body);
      }),
  };
}

interface Waiting {
  readonly what: string;
  readonly resolve: (text: string) => void;
  readonly reject: (error: Error) => void;
}

/**
 * One connection, one request at a time, written and read by hand (RFC 9112, the part that our
 * servers use: a Content-Length in every answer). A connection that was closed meanwhile, because
 * nothing was asked for long, is opened anew.
 */
export async function openLeanCaller({ url, token }: Address): Promise<Caller> {
  const { hostname, port } = new URL(url);
  const common = `\r\nhost: ${hostname}:${port}\r\nauthorization: Bearer ${token}\r\n`;
  let waiting: Waiting | null = null;
  const hear = (answer: Answer | Error): void => {
    if (waiting === null) return;
    const { resolve, reject, what } = waiting;
    waiting = null;
    if (answer instanceof Error) reject(new Error(`${what}: ${answer.message}`));
    else if (answer.status === 200) resolve(answer.text);
    else reject(new Error(`${what}: ${answer.status} ${answer.text}`));
  };
  const connect = (): Promise<net.Socket> => openLine({ host: hostname, port: Number(port) }, hear);
  let socket = await connect();
  return {
    close: () => socket.destroy(),
    async call(method, path, body) {
      if (!socket.writable || socket.readableEnded) socket = await connect();
      return new Promise((resolve, reject) => {
        waiting = { what: `${method} ${path}`, resolve, reject };
        const head = `${method} ${path} HTTP/1.1${common}`;
        if (body === undefined) return void socket.write(`${head}\r\n`);
        const length = Buffer.byteLength(body);
        const fields = `content-type: application/json\r\ncontent-length: ${length}`;
        return void socket.write(`${head}${fields}\r\n\r\n${body}`);
      });
    },
  };
}

interface Answer {
  readonly status: number;
  readonly text: string;
}

async function openLine(
  to: { readonly host: string; readonly port: number },
  hear: (answer: Answer | Error) => void,
): Promise<net.Socket> {
  const socket = net.connect({ ...to, noDelay: true });
  await new Promise<void>((resolve, reject) => {
    socket.once("connect", resolve);
    socket.once("error", reject);
  });
  let heard: Buffer = Buffer.alloc(0);
  socket.on("error", hear);
  socket.on("close", () => hear(new Error("the connection was closed")));
  socket.on("data", (chunk) => {
    heard = heard.length === 0 ? chunk : Buffer.concat([heard, chunk]);
    const answer = wholeAnswer(heard);
    if (answer === null) return;
    heard = Buffer.alloc(0);
    hear(answer);
  });
  return socket;
}

function wholeAnswer(heard: Buffer): Answer | Error | null {
  const end = heard.indexOf("\r\n\r\n");
  if (end < 0) return null;
  const head = heard.toString("latin1", 0, end);
  const length = Number(/\r\ncontent-length: *(\d+)/i.exec(head)?.[1] ?? Number.NaN);
  // The server streams when an answer takes longer than 15 s: no row waits that long for nothing.
  if (Number.isNaN(length)) return new Error("an answer that took too long, in pieces");
  const from = end + 4;
  if (heard.length < from + length) return null;
  return { status: Number(head.slice(9, 12)), text: heard.toString("utf8", from, from + length) };
}
