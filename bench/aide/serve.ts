import { messageOf } from "@openclaw-worker/base";
import { fieldsOf, type Fields } from "../fields.ts";

export type Ops = Readonly<Record<string, (params: Fields) => unknown>>;

/** Answers what the bench asks over IPC, until the bench is gone. */
export function serve(ops: Ops): void {
  process.on("disconnect", () => process.exit(0));
  process.on("SIGTERM", () => process.exit(0));
  process.on("message", (message) => {
    const id = fieldsOf(message).number("id");
    answer(ops, message).then(
      (value) => process.send?.({ id, value }),
      (error: unknown) => process.send?.({ id, error: messageOf(error) }),
    );
  });
}

async function answer(ops: Ops, message: unknown): Promise<unknown> {
  const op = fieldsOf(message).text("op");
  if (op === "ready") return null;
  const run = ops[op];
  if (run === undefined) throw new Error(`no such op: ${op}`);
  const isGiven = typeof message === "object" && message !== null && "params" in message;
  return await run(fieldsOf(isGiven ? message.params : {}));
}
