import { messageOf } from "@openclaw-worker/base";
import { fieldsOf, type Fields } from "../fields.ts";

export type Ops = Readonly<Record<string, (params: Fields) => unknown>>;

/** Answers what the bench asks over IPC, until the bench is gone. */
export function serve(ops: Ops): void {
  process.on("disconnect", () => process.exit(0));
  process.on("SIGTERM", () => process.exit(0));
  process.on("message", async (message) => {
    const asked = fieldsOf(message);
    const id = asked.number("id");
    const op = asked.text("op");
    if (op === "ready") return process.send?.({ id });
    try {
      const params = typeof message === "object" && message !== null && "params" in message;
      const run = ops[op];
      if (run === undefined) throw new Error(`no such op: ${op}`);
      const value = await run(fieldsOf(params ? message.params : {}));
      return process.send?.({ id, value });
    } catch (error) {
      return process.send?.({ id, error: messageOf(error) });
    }
  });
}
