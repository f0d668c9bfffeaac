// Fills the arguments of an action that the worker's owner defined. A parameter is one argument, or
// a part of one, and never becomes another: no shell sees it.

import { never } from "@openclaw-worker/base";
import type { ActionFile, ParameterFile } from "./schema.ts";

export type ActionFill =
  | { readonly kind: "argv"; readonly argv: readonly [string, ...string[]] }
  /** In words for the submitter. */
  | { readonly kind: "refused"; readonly because: string };

export type ActionValues = Readonly<Record<string, string | number | boolean>>;

/**
 * The program and its arguments.
 * @param locate gives a `path` parameter its one absolute place, or null when it has none
 */
export function fillAction(
  { argv, params = {} }: ActionFile,
  values: ActionValues,
  locate: (name: string) => string | null,
): ActionFill {
  const extra = Object.keys(values).find((name) => !Object.hasOwn(params, name));
  if (extra !== undefined) return refused(`the action has no parameter ${JSON.stringify(extra)}`);
  const texts = new Map<string, string>();
  for (const [name, parameter] of Object.entries(params)) {
    const value = Object.hasOwn(values, name) ? values[name] : undefined;
    if (value === undefined) return refused(`the parameter ${name} is missing`);
    const read = textOf(parameter, value, locate);
    if ("problem" in read) return refused(`the parameter ${name} ${read.problem}`);
    texts.set(name, read.text);
  }
  const [program = "", ...rest] = argv;
  const filled: string[] = [];
  for (const template of rest) {
    const text = template.replaceAll(/\{([^{}]*)\}/g, (_, name: string) => texts.get(name) ?? "");
    // A value that begins like an option would be one, where the owner meant a name.
    if (template.startsWith("{") && text.startsWith("-")) {
      return refused("a parameter that begins an argument may not start with a dash");
    }
    filled.push(text);
  }
  return { kind: "argv", argv: [program, ...filled] };
}

function refused(because: string): ActionFill {
  return { kind: "refused", because };
}

type Text = { readonly text: string } | { readonly problem: string };

function textOf(
  parameter: ParameterFile,
  value: string | number | boolean,
  locate: (name: string) => string | null,
): Text {
  if (typeof parameter === "object" && "enum" in parameter) {
    const one = parameter.enum.find((text) => text === value);
    return one === undefined
      ? { problem: `must be one of ${parameter.enum.join(", ")}` }
      : { text: one };
  }
  const limits = typeof parameter === "object" ? parameter : { type: parameter };
  switch (limits.type) {
    case "string": {
      const longest = "lengthMax" in limits ? (limits.lengthMax ?? stringMax) : stringMax;
      if (typeof value !== "string") return { problem: "must be a text" };
      if (value.length > longest) return { problem: `may have ${longest} characters` };
      return /\p{Cc}/u.test(value) ? { problem: "holds a control character" } : { text: value };
    }
    case "path": {
      const place = typeof value === "string" && value !== "" ? locate(value) : null;
      return place === null ? { problem: "must be a path below a root" } : { text: place };
    }
    case "integer": {
      if (typeof value !== "number" || !Number.isSafeInteger(value)) {
        return { problem: "must be a whole number" };
      }
      const { min = -Infinity, max = Infinity } = { min: undefined, max: undefined, ...limits };
      if (value < min || value > max) return { problem: "is out of range" };
      return { text: String(value) };
    }
    case "boolean":
      return typeof value === "boolean"
        ? { text: String(value) }
        : { problem: "must be true or false" };
    default:
      return never(limits);
  }
}

const stringMax = 4_096;
