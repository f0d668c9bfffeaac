import type { Clock } from "./clock.ts";

export type LogLevel = "debug" | "info" | "warn" | "error";
export type LogFields = Readonly<Record<string, string | number | boolean | null | undefined>>;

/** One line an event. Never hand it a token, a command's text or a file's content. */
export interface Log {
  debug(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  error(message: string, fields?: LogFields): void;
}

export interface LogOptions {
  readonly clock: Clock;
  readonly write: (line: string) => void;
  readonly level: LogLevel;
  /**
   * `json`: one JSON object a line. `text`: time, level, message, key=value, for people. In both,
   * characters that a terminal would obey and not show are written as JSON writes them, `\u001b`.
   */
  readonly format: "json" | "text";
}

const rank: Readonly<Record<LogLevel, number>> = { debug: 0, info: 1, warn: 2, error: 3 };

export function createLog(options: LogOptions): Log {
  const print = options.format === "json" ? jsonLine : textLine;
  const show = (level: LogLevel, entry: Entry): string =>
    plain(print(new Date(options.clock.now()), level, entry));
  const at =
    (level: LogLevel) =>
    (message: string, fields: LogFields = {}): void => {
      if (rank[level] < rank[options.level]) return;
      options.write(`${show(level, { message, fields })}\n`);
    };
  return { debug: at("debug"), info: at("info"), warn: at("warn"), error: at("error") };
}

/** A log that says nothing. */
export const silentLog: Log = { debug() {}, info() {}, warn() {}, error() {} };

interface Entry {
  readonly message: string;
  readonly fields: LogFields;
}

// Controls, and what changes the order or the look of the text around it: who names a file or a task
// shall not write to the terminal of whoever reads the log. What JSON leaves of these stands inside
// of a string, where an escape means the same.
const unshown = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu;

function plain(line: string): string {
  return line.replaceAll(unshown, (character) =>
    character
      .split("")
      .map((unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`)
      .join(""),
  );
}

function jsonLine(time: Date, level: LogLevel, entry: Entry): string {
  return JSON.stringify({ time: time.toISOString(), level, msg: entry.message, ...entry.fields });
}

function textLine(time: Date, level: LogLevel, entry: Entry): string {
  const pairs = Object.entries(entry.fields)
    .filter(([, value]) => value !== undefined)
    .map(([key, value]) => ` ${key}=${typeof value === "string" ? JSON.stringify(value) : value}`);
  // One event stays one line, whatever its message quotes.
  const message = entry.message.replaceAll(/[\r\n]+/g, " ");
  return `${time.toISOString()} ${level.padEnd(5)} ${message}${pairs.join("")}`;
}
