// The smallest thing that is durable: a task is on the disk when its submit is answered, and so is a
// result. One INSERT or UPDATE each with its own fsync; no leases, limits, policy, cage, audit.

import http from "node:http";
import { randomUUID } from "node:crypto";
import { DatabaseSync } from "node:sqlite";
import { fieldsOf } from "../fields.ts";
import { serve } from "./serve.ts";

type Tell = (text: string) => void;

serve({
  /** Opens the file and listens: the port. */
  listen: (params) => listen(params.text("file")),
});

async function listen(file: string): Promise<number> {
  const db = new DatabaseSync(file);
  db.exec("PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA locking_mode=EXCLUSIVE");
  db.exec(
    "CREATE TABLE tasks (seq INTEGER PRIMARY KEY, id TEXT UNIQUE, state TEXT, body TEXT, result TEXT)",
  );
  db.exec("CREATE INDEX waiting ON tasks (seq) WHERE state = 'pending'");
  const insert = db.prepare("INSERT INTO tasks (id, state, body) VALUES (?, 'pending', ?)");
  const head = db.prepare(
    "SELECT seq, id, body FROM tasks WHERE state = 'pending' ORDER BY seq LIMIT 1",
  );
  const claim = db.prepare("UPDATE tasks SET state = 'running' WHERE seq = ?");
  const finish = db.prepare("UPDATE tasks SET state = 'finished', result = ? WHERE id = ?");
  const read = db.prepare("SELECT result FROM tasks WHERE id = ?");
  const parked: Tell[] = [];
  const readers = new Map<string, Tell>();

  const handOut = (): void => {
    while (parked.length > 0) {
      const row = head.get();
      if (row === undefined) return;
      claim.run(row["seq"] ?? null);
      parked.shift()?.(JSON.stringify({ id: row["id"], ...JSON.parse(String(row["body"])) }));
    }
  };
  const routes: Readonly<Record<string, (body: string, id: string, tell: Tell) => void>> = {
    "POST /tasks": (body, _id, tell) => {
      const id = randomUUID();
      insert.run(id, body);
      tell(JSON.stringify({ taskId: id }));
      handOut();
    },
    "GET /tasks": (_body, id, tell) => {
      const result = read.get(id)?.["result"];
      if (typeof result === "string") tell(result);
      else readers.set(id, tell);
    },
    "GET /worker/poll": (_body, _id, tell) => {
      parked.push(tell);
      handOut();
    },
    "POST /worker/result": (body, _id, tell) => {
      const taskId = fieldsOf(JSON.parse(body)).text("taskId");
      const result = JSON.stringify({ ...JSON.parse(body), status: "completed" });
      finish.run(result, taskId);
      tell('{"success":true}');
      readers.get(taskId)?.(result);
      readers.delete(taskId);
    },
  };
  const server = http.createServer((request, response) => {
    const [, room = "", second = ""] = (request.url ?? "").split(/[/?]/);
    const route = room === "worker" ? `/${room}/${second}` : `/${room}`;
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      const tell: Tell = (text) => {
        const length = Buffer.byteLength(text);
        response.writeHead(200, { "content-type": "application/json", "content-length": length });
        response.end(text);
      };
      const run = routes[`${request.method} ${route}`];
      if (run === undefined) response.writeHead(404, { "content-length": 0 }).end();
      else run(Buffer.concat(chunks).toString(), second, tell);
    });
  });
  server.keepAliveTimeout = 75_000;
  server.on("connection", (socket) => socket.setNoDelay(true));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  return typeof address === "object" && address !== null ? address.port : 0;
}
