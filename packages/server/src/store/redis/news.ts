// Words between processes: `ORIGIN JSON`, one message a script.

import { z } from "zod";
import { taskIdSchema } from "@openclaw-worker/protocol";
import type { News } from "../shared.ts";
import { haltOf, letterOf, workerOf } from "./records.ts";

const texts = z.array(z.string());
const newsSchema = z.object({
  ready: texts.optional(),
  ended: z.array(taskIdSchema).optional(),
  asked: texts.optional(),
  forget: texts.optional(),
  worker: texts.optional(),
  cancel: z.array(z.tuple([z.string(), taskIdSchema, z.coerce.number()])).optional(),
  letter: z.array(texts).optional(),
  halt: z.array(z.tuple([z.string(), z.string(), z.string()])).optional(),
  freed: z.array(z.tuple([z.string(), z.number(), z.number()])).optional(),
  seen: z.array(z.tuple([z.string(), z.string(), z.coerce.number(), z.coerce.number()])).optional(),
});

/** What another process said; nothing when it was this one (`origin`). */
export function newsOf(word: string, origin: string): readonly News[] {
  const space = word.indexOf(" ");
  const process = word.slice(0, space);
  if (process === origin) return [];
  const said = newsSchema.parse(JSON.parse(word.slice(space + 1)));
  const news: News[] = [];
  for (const record of said.worker ?? []) news.push({ kind: "worker", record: workerOf(record) });
  for (const [name, leased, forMs, seenAt] of said.seen ?? []) {
    const sighting = { process, name, leased: leased === "1", forMs, seenAt };
    news.push({ kind: "seen", sighting });
  }
  for (const [instance, taskId, fence] of said.cancel ?? [])
    news.push({ kind: "cancel", instance, held: { taskId, fence } });
  for (const [instance, capacity, order] of said.freed ?? [])
    news.push({ kind: "freed", freed: { instance, capacity, order } });
  for (const [id, worker, about, envelope, expires] of said.letter ?? []) {
    const fields = { worker, about, envelope, expires };
    const known = Object.entries(fields).flatMap(([name, value]) =>
      value === undefined ? [] : ([[name, value]] as const),
    );
    news.push({ kind: "letter", letter: letterOf(id, new Map(known)) });
  }
  for (const [worker, ordered, stopped] of said.halt ?? [])
    news.push({ kind: "halt", record: haltOf(worker, ordered, stopped) });
  for (const about of said.forget ?? []) news.push({ kind: "forget", about });
  if (said.asked !== undefined || said.forget !== undefined)
    news.push({ kind: "asked", taskIds: said.asked ?? [] });
  if (said.ended !== undefined) news.push({ kind: "ended", taskIds: said.ended });
  if (said.ready !== undefined) news.push({ kind: "ready", selectors: said.ready });
  return news;
}
