// Approvals, read.

import { approvalRequestSchema, approvalSchema, type Approval } from "@openclaw-worker/protocol";
import type { DatabaseSync, SQLInputValue } from "node:sqlite";
import type { ApprovalFilter, ApprovalPage } from "../approval.ts";
import { integer, text, textOrNull, type Row } from "./rows.ts";

export function prepareApproval(db: DatabaseSync): (id: string) => Approval | null {
  const find = db.prepare("SELECT * FROM approvals WHERE id = ?");
  return (id) => {
    const row = find.get(id);
    return row === undefined ? null : approvalOf(row);
  };
}

export function prepareApprovals(db: DatabaseSync): (filter: ApprovalFilter) => ApprovalPage {
  const last = db.prepare("SELECT last FROM changes");
  const onward = "SELECT * FROM approvals WHERE change > ?";
  const latest = "SELECT * FROM approvals WHERE change > ?";
  const statements = {
    onward: db.prepare(`${onward} ORDER BY change LIMIT ?`),
    onwardIn: db.prepare(`${onward} AND state = ? ORDER BY change LIMIT ?`),
    latest: db.prepare(`SELECT * FROM (${latest} ORDER BY change DESC LIMIT ?) ORDER BY change`),
    latestIn: db.prepare(
      `SELECT * FROM (${latest} AND state = ? ORDER BY change DESC LIMIT ?) ORDER BY change`,
    ),
  };
  return ({ state, after, max }) => {
    const top = integer(last.get() ?? {}, "last");
    const way = after === undefined ? "latest" : "onward";
    const statement = statements[state === undefined ? way : (`${way}In` as const)];
    const values: readonly SQLInputValue[] =
      state === undefined ? [after ?? 0, max] : [after ?? 0, state, max];
    const rows = statement.all(...values);
    // A full page may not be all: the next one goes on where it ended.
    const lastRow = rows.at(-1);
    const isCut = after !== undefined && rows.length === max && lastRow !== undefined;
    return {
      approvals: rows.map(approvalOf),
      cursor: isCut ? integer(lastRow, "change") : top,
    };
  };
}

function approvalOf(row: Row): Approval {
  const request = approvalRequestSchema.parse(JSON.parse(text(row, "request")));
  return approvalSchema.parse({
    id: text(row, "id"),
    taskId: text(row, "task_id"),
    request,
    digest: text(row, "digest"),
    levels: text(row, "levels")
      .split("+")
      .filter((level) => level !== ""),
    state: text(row, "state"),
    decidedBy: textOrNull(row, "decided_by"),
    reason: textOrNull(row, "reason"),
    updatedAt: integer(row, "updated_at"),
  });
}
