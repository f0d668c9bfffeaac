// Approvals, stops and copies of audit logs, in the store's verbs.

import type { Store } from "../store.ts";
import * as asking from "./lua/ask.ts";
import * as watch from "./lua/watch.ts";
import { approvalOf, haltOf, letterOf } from "./records.ts";
import { hashOf, listOf, numberOf, numberOrNull, rowsOf, textOf, textOrNull } from "./replies.ts";
import type { Parts } from "./verbs.ts";

type OversightVerbs = Pick<
  Store,
  | "ask"
  | "decide"
  | "sendResume"
  | "orderStop"
  | "liftStop"
  | "saveStopped"
  | "saveWitness"
  | "approval"
  | "approvals"
  | "letters"
  | "halts"
  | "witness"
  | "alarms"
  | "auditEntries"
  | "auditNodes"
>;

export function oversightVerbs(parts: Parts & { readonly prefix: string }): OversightVerbs {
  const { connection, actionText, prefix } = parts;
  const approval = async (id: string) => {
    const fields = listOf(await connection.call("HGETALL", `${prefix}approval:${id}`));
    return fields.length === 0 ? null : approvalOf(id, fields);
  };

  return {
    approval,
    async ask({ ask, at, perTaskMax, waitingMax }) {
      const { request, taskId, fence, instance, digest, state, decidedBy } = ask;
      const { id, worker, rule } = request;
      const by = JSON.stringify(decidedBy);
      const reply = await connection.run(asking.ask, [
        id,
        taskId,
        fence,
        instance,
        worker,
        request.taskId,
        digest,
        state,
        by,
        ask.levels.join("+"),
        JSON.stringify(request),
        request.expiresAt,
        at,
        perTaskMax,
        waitingMax,
        JSON.stringify({ approvalId: id, worker, rule }),
        JSON.stringify({ approvalId: id, state, decidedBy }),
      ]);
      const [kind, more] = listOf(reply).map(textOf);
      if (kind === "noted") return { kind, changed: more === "1" };
      if (kind === "unknown" || kind === "stale") return { kind };
      const line =
        more === "task"
          ? `This task has asked ${perTaskMax} times already.`
          : `${waitingMax} approvals of this worker wait already.`;
      return { kind: "full", line };
    },
    async decide({ id, envelope, expiresAt, at, max, action }) {
      const args = [id, JSON.stringify(envelope), expiresAt, at, max, actionText(action)];
      const reply = listOf(await connection.run(asking.decide, args));
      const [kind, letter, isNew, worker, ends] = reply;
      switch (textOf(kind)) {
        case "sent":
          return {
            kind: "sent",
            isNew: numberOf(isNew) === 1,
            letter: {
              id: numberOf(letter),
              worker: textOf(worker),
              about: id,
              envelope,
              expiresAt: numberOf(ends),
            },
          };
        case "over": {
          // What is over stays so: it may be read after the step.
          const over = await approval(id);
          return over === null ? { kind: "unknown" } : { kind: "over", approval: over };
        }
        case "full":
          return { kind: "full" };
        default:
          return { kind: "unknown" };
      }
    },
    async sendResume({ worker, stopId, envelope, expiresAt, max, action }) {
      const args = [worker, stopId, JSON.stringify(envelope), expiresAt, max, actionText(action)];
      const reply = await connection.run(asking.sendResume, args);
      if (reply === null) return null;
      const [id, ends] = listOf(reply);
      return { id: numberOf(id), worker, about: stopId, envelope, expiresAt: numberOf(ends) };
    },
    async orderStop({ worker, order, action }) {
      const args = [worker, order.id, JSON.stringify(order), actionText(action)];
      await connection.run(watch.orderStop, args);
    },
    async liftStop(worker, action) {
      await connection.run(watch.liftStop, [worker, actionText(action)]);
    },
    async saveStopped({ worker, stopped, seen, at }) {
      const reply = await connection.run(watch.saveStopped, [
        worker,
        stopped === null ? "" : JSON.stringify(stopped),
        stopped?.id ?? "",
        seen ?? "",
        at,
        stopped === null ? "" : JSON.stringify({ worker, ...stopped }),
      ]);
      return { ...haltOf(worker, reply, null), stopped };
    },
    async saveWitness(change) {
      const { worker, alarm, entries, nodes } = change;
      const reply = await connection.run(watch.saveWitness, [
        worker,
        change.version,
        change.known ?? "",
        change.from,
        change.nodesFrom,
        alarm?.text ?? "",
        alarm?.evidence ?? "",
        change.at,
        alarm === null ? "" : JSON.stringify({ worker, alarm: alarm.text }),
        Buffer.concat(nodes),
        entries.length,
        ...entries,
      ]);
      return textOf(reply) === "saved" ? "saved" : "raced";
    },
    async approvals({ state, after, max }) {
      const reply = await connection.run(asking.listApprovals, [state ?? "", after ?? "", max]);
      const [top, rows] = listOf(reply);
      const found = rowsOf(rows);
      const last = found.at(-1)?.[1];
      // A full page may not be all: the next one goes on where it ended.
      const isCut = after !== undefined && found.length === max && last !== undefined;
      return {
        approvals: found.map(([id, fields]) => approvalOf(textOf(id), fields)),
        cursor: numberOf(isCut ? hashOf(last).get("change") : top),
      };
    },
    async letters() {
      const rows = rowsOf(await connection.run(asking.listLetters, []));
      return rows
        .map(([id, fields]) => letterOf(id, hashOf(fields)))
        .toSorted((one, other) => one.id - other.id);
    },
    async halts() {
      const rows = rowsOf(await connection.run(watch.listHalts, []));
      return rows.map(([worker, ordered, stopped]) => haltOf(worker, ordered, stopped));
    },
    async witness(worker) {
      const names = ["version", "known", "alarm", "alarm-at", "evidence"];
      const reply = await connection.call("HMGET", `${prefix}witness:${worker}`, ...names);
      const [version, known, text, at, evidence] = listOf(reply);
      if (version === null) return null;
      const alarm =
        text === null
          ? null
          : {
              text: textOf(text),
              at: numberOrNull(at) ?? 0,
              evidence: textOrNull(evidence),
            };
      return { version: numberOf(version), known: textOrNull(known), alarm };
    },
    async alarms() {
      const rows = rowsOf(await connection.run(watch.listAlarms, []));
      return new Map(rows.map(([worker, alarm]) => [textOf(worker), textOf(alarm)]));
    },
    async auditEntries(worker, from, max) {
      const key = `${prefix}audit:${worker}`;
      return listOf(await connection.call("LRANGE", key, from, from + max - 1)).map(textOf);
    },
    async auditNodes(worker, places) {
      const { nodeBytes, nodesPerKey } = watch;
      const nodes = await Promise.all(
        places.map((place) => {
          const key = `${prefix}audit-nodes:${worker}:${Math.floor(place / nodesPerKey)}`;
          const from = (place % nodesPerKey) * nodeBytes;
          return connection.bytes("GETRANGE", key, from, from + nodeBytes - 1);
        }),
      );
      const found = new Map<number, Buffer>();
      for (const [index, place] of places.entries()) {
        const node = nodes[index];
        if (node?.length === nodeBytes) found.set(place, node);
      }
      return found;
    },
  };
}
