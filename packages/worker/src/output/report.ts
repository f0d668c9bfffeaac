// The last look at a report before it leaves this computer, or is kept in the journal until it can.

import { reportOf, reportSchema, type Receipt, type Report } from "@openclaw-worker/protocol";
import type { Redactor } from "./redact.ts";
import { release } from "./release.ts";

/** What a report's stdout is: a file's content is never altered, it was refused or it is whole. */
export type Stdout = "output" | "file";

/** A report that may leave: only what secrets were taken out of can be made into one. */
export class Leaving {
  // Private, so that no other object passes for one.
  readonly #report: Report;

  private constructor(report: Report) {
    this.#report = report;
  }

  get report(): Report {
    return this.#report;
  }

  static of(report: Report, redactor: Redactor, stdout: Stdout = "output"): Leaving {
    return new Leaving(redactReport(report, redactor, stdout));
  }

  /** With the worker's proof of exactly this report. */
  with(receipt: Receipt | null): Leaving {
    return receipt === null ? this : new Leaving({ ...this.#report, receipt });
  }
}

/** The report with secrets taken out of every text in it, names of metadata included. */
export function redactReport(report: Report, redactor: Redactor, stdout: Stdout): Report {
  // A receipt is of what was redacted before; a signature must stay as it is.
  const { stdout: out, stderr, stdoutEncoding, stderrEncoding, receipt, ...rest } = report;
  const parsed = reportSchema.safeParse(redactValue(rest, redactor, 0));
  if (!parsed.success) return reportOf("failed", "The report of this task could not be redacted");
  const encoded = stdoutEncoding ?? report.encoding;
  const left = {
    ...parsed.data,
    stdout: stdout === "file" ? out : redactStream(out, encoded, redactor),
    stderr: redactStream(stderr, stderrEncoding, redactor),
    ...(stdoutEncoding === undefined ? {} : { stdoutEncoding }),
    ...(stderrEncoding === undefined ? {} : { stderrEncoding }),
  };
  // What a receipt is of may not change after it was made: without it nothing false is claimed.
  return receipt === undefined || !tellsTheSame(left, report) ? left : { ...left, receipt };
}

/** Whether a receipt of one is a receipt of the other. */
function tellsTheSame(one: Report, other: Report): boolean {
  const { outcome, exitCode, error, stdout, stderr } = one;
  return (
    outcome === other.outcome &&
    exitCode === other.exitCode &&
    error === other.error &&
    stdout === other.stdout &&
    stderr === other.stderr
  );
}

/**
 * A report's JSON that was redacted when it was kept: what is known by now, and was not then, is
 * taken out as well. Looks are not asked again, because a file's content may be in it. Text that is
 * no report any more does not leave.
 */
export function redactKept(text: string, redactor: Redactor): string {
  const report = readReport(text) ?? reportOf("lost", unreadableSentence);
  return JSON.stringify(redactReport(report, redactor.known, "output"));
}

const unreadableSentence = "The task's result could not be read back from the worker's journal";

function readReport(text: string): Report | null {
  try {
    return reportSchema.parse(JSON.parse(text));
  } catch {
    return null;
  }
}

function redactStream(text: string, encoding: string | undefined, redactor: Redactor): string {
  if (encoding !== "base64") return redactor.text(text);
  const bytes = Buffer.from(text, "base64");
  const left = redactor.bytes(bytes);
  const redacted = left === bytes ? text : Buffer.from(left).toString("base64");
  release(bytes);
  return redacted;
}

/** Deeper values are left out: a report that is made to be deep shall not end the worker. */
const depthMax = 64;

function redactValue(value: unknown, redactor: Redactor, depth: number): unknown {
  if (typeof value === "string") return redactor.text(value);
  if (typeof value !== "object" || value === null) return value;
  if (depth >= depthMax) return "[left out]";
  if (Array.isArray(value)) return value.map((one) => redactValue(one, redactor, depth + 1));
  return Object.fromEntries(
    Object.entries(value).map(([name, one]) => [
      redactor.text(name),
      redactValue(one, redactor, depth + 1),
    ]),
  );
}
