// The shape of the policy file: one definition for the reader, its messages and the JSON Schema
// that editors use. What a rule's text means is rule.ts's.

import { levelSchema, limits as shared } from "@openclaw-worker/protocol";
import { z } from "zod";

const entriesMax = 1_000;
const examplesMax = 100;
const actionsMax = 200;
const rootsMax = 64;

const name = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;
const example = z.string({ error: "an example is a text in double quotes" });
const trust = z.array(
  z.enum(levelSchema.options, { error: 'whose yes counts is "local", "signed" or "token"' }),
  { error: '"trust" is a list of "local", "signed", "token"' },
);
const rule = z.union(
  [
    z.string(),
    z.strictObject({
      rule: z.string({ error: '"rule" is the text of a rule' }).describe("The rule"),
      match: z.array(example).max(examplesMax).optional().describe("The rule must decide these"),
      not_match: z
        .array(example)
        .max(examplesMax)
        .optional()
        .describe("The rule must not decide these"),
      allowDangerously: z
        .literal(true, { error: '"allowDangerously" is true or is left out' })
        .optional()
        .describe("Needed by an allow rule for every command: Bash(*), Exec"),
      trust: trust.optional().describe("Whose yes counts, for a rule that asks"),
      submitter: z
        .string({ error: '"submitter" is the name of one whose key is known' })
        .regex(name, '"submitter" is no name')
        .optional()
        .describe("The rule is for tasks that this one signed, and for no others"),
    }),
  ],
  { error: "a rule is a text in double quotes, or an object with the key rule" },
);
const ruleList = z
  .array(rule, { error: "must be a list of rules" })
  .max(entriesMax, `at most ${entriesMax} rules in one list`)
  .optional();

const parameterName = /^[A-Za-z_][A-Za-z0-9_]{0,63}$/;
const parameter = z.union(
  [
    z.enum(["string", "path", "integer", "boolean"]),
    z.strictObject({ type: z.literal("string"), lengthMax: z.int().min(1).max(65_536).optional() }),
    z.strictObject({ type: z.literal("path") }),
    z.strictObject({
      type: z.literal("integer"),
      min: z.int().optional(),
      max: z.int().optional(),
    }),
    z.strictObject({ type: z.literal("boolean") }),
    z.strictObject({
      enum: z.array(z.string().min(1).max(1_000)).min(1).max(1_000),
    }),
  ],
  { error: 'a parameter is "string", "path", "integer", "boolean" or { "enum": […] }' },
);
const action = z.strictObject({
  argv: z
    .array(z.string().max(65_536), { error: '"argv" is a list of texts: the program first' })
    .min(1, '"argv" names at least the program')
    .max(shared.argvMax)
    .describe("The program and its arguments; {name} stands for a parameter"),
  params: z
    .record(z.string().regex(parameterName, "is no name of a parameter"), parameter)
    .optional()
    .describe("The parameters and what each may be"),
  description: z.string().max(1_000).optional(),
});

const count = (min: number, max: number) => z.int().min(min).max(max).optional();

export const policySchema = z.strictObject(
  {
    $schema: z.string().optional(),
    roots: z
      .array(z.string({ error: "a root is a text in double quotes" }), {
        error: (issue) =>
          issue.input === undefined
            ? '"roots" is missing: name the folders that tasks may use'
            : '"roots" must be a list of folders',
      })
      .min(1, '"roots" must name at least one folder')
      .max(rootsMax, `"roots" may name at most ${rootsMax} folders`)
      .describe("The folders that tasks may read and write"),
    default: z
      .enum(["cage", "ask", "deny"], { error: '"default" must be "cage", "ask" or "deny"' })
      .optional()
      .describe("What happens to a task that no rule names"),
    rules: z
      .strictObject({ deny: ruleList, ask: ruleList, allow: ruleList })
      .optional()
      .describe("deny wins over ask, ask over allow, allow over the default"),
    host: z
      .strictObject({ ask: ruleList, allow: ruleList })
      .optional()
      .describe("What may run outside of the cage"),
    actions: z
      .record(z.string().regex(name, "is no name of an action"), action)
      .refine((actions) => Object.keys(actions).length <= actionsMax, "too many actions")
      .optional()
      .describe("Named things that tasks may ask for, with typed parameters"),
    approvals: z
      .strictObject({
        trust: trust.optional(),
        timeoutMs: count(1_000, 86_400_000),
      })
      .optional()
      .describe("Whose yes counts, and how long it is waited for"),
    limits: z
      .strictObject({
        taskMsMax: count(shared.timeoutMsMin, shared.timeoutMsMax),
        outputKeptBytes: count(1_024, shared.outputKeptBytes),
        outputKillBytes: count(1_024, Number.MAX_SAFE_INTEGER),
        processes: count(16, 65_536),
        fileBytes: count(0, Number.MAX_SAFE_INTEGER),
        perHour: count(1, 1_000_000),
        deletesPerDay: count(0, 1_000_000),
      })
      .optional(),
    submitters: z
      .strictObject({
        required: z.boolean().optional(),
        keys: z.record(z.string().regex(name), z.string().min(1).max(1_000)).optional(),
      })
      .optional()
      .describe("Keys that tasks must be signed with"),
  },
  { error: 'a policy is an object: { "roots": […] }' },
);

export type PolicyFile = z.infer<typeof policySchema>;
export type ActionFile = z.infer<typeof action>;
export type ParameterFile = z.infer<typeof parameter>;
export type RuleEntry = z.infer<typeof rule>;

/** The JSON Schema (draft 2020-12) of the policy file, for editors. */
export function policyJsonSchema(): unknown {
  return {
    title: "Policy of an OpenClaw Worker",
    ...z.toJSONSchema(policySchema, { io: "input" }),
  };
}
