// Plain HTTP, as foreign clients and old workers speak it: no retries, no parsing, no opinions.

import http from "node:http";

export interface Asked {
  readonly method?: "GET" | "POST";
  readonly path: string;
  readonly body?: unknown;
  /** Left out: the stage's own. Null: none. */
  readonly token?: string | null;
  readonly headers?: Readonly<Record<string, string>>;
  /** Aborted: hangs up. */
  readonly signal?: AbortSignal;
}

export interface Answered {
  readonly status: number;
  readonly text: string;
  /** The text as JSON. @throws SyntaxError when it is none */
  json(): unknown;
}

export interface Wire {
  /** Rejects when the connection fails or breaks off: whether the request was done is not known. */
  ask(asked: Asked): Promise<Answered>;
  close(): void;
}

export function openWire({ url, token }: { readonly url: string; readonly token: string }): Wire {
  const agent = new http.Agent({ keepAlive: true });
  return {
    close: () => agent.destroy(),
    ask: ({ method = "GET", path, body, headers, signal, ...asked }) =>
      new Promise((resolve, reject) => {
        const bearer = asked.token === undefined ? token : asked.token;
        const text = body === undefined ? undefined : JSON.stringify(body);
        const sent = http.request(new URL(path, url), {
          method,
          agent,
          ...(signal === undefined ? {} : { signal }),
          headers: {
            ...(bearer === null ? {} : { authorization: `Bearer ${bearer}` }),
            ...(text === undefined
              ? {}
              : {
                  "content-type": "application/json",
                  "content-length": String(Buffer.byteLength(text)),
                }),
            ...headers,
          },
        });
        sent.on("error", reject);
        sent.on("response", (response) => {
          const chunks: Buffer[] = [];
          response.on("data", (chunk: Buffer) => chunks.push(chunk));
          response.on("error", reject);
          response.on("close", () => {
            if (!response.complete) return reject(new Error("the answer broke off"));
            const whole = Buffer.concat(chunks).toString("utf8");
            const json = (): unknown => JSON.parse(whole);
            resolve({ status: response.statusCode ?? 0, text: whole, json });
          });
        });
        sent.end(text);
      }),
  };
}
