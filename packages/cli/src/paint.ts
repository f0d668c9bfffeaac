import type { Host, Output } from "./host.ts";

/** Colors a text, or leaves it as it is. */
export interface Paint {
  red(text: string): string;
  green(text: string): string;
  yellow(text: string): string;
  cyan(text: string): string;
  bold(text: string): string;
  dim(text: string): string;
}

/** Colors only on a terminal, and not when `NO_COLOR` is set (no-color.org). */
export function paintOf(host: Pick<Host, "env">, output: Output): Paint {
  const { NO_COLOR, TERM } = host.env;
  const on = output.isTerminal && (NO_COLOR ?? "") === "" && TERM !== "dumb";
  const color =
    (open: number, close: number) =>
    (text: string): string =>
      on ? `\u001B[${open}m${text}\u001B[${close}m` : text;
  return {
    red: color(31, 39),
    green: color(32, 39),
    yellow: color(33, 39),
    cyan: color(36, 39),
    bold: color(1, 22),
    dim: color(2, 22),
  };
}
