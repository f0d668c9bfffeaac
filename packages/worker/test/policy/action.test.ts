import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { place } from "../../src/place.ts";
import { fillAction, type ActionFill } from "../../src/policy/action.ts";
import type { ActionFile } from "../../src/policy/schema.ts";
import { home, policyFrom, root } from "./desk.ts";

const backup: ActionFile = {
  argv: ["rsync", "-a", "--label={label}", "{src}", "/backup/{level}/{fast}"],
  params: {
    label: { type: "string", lengthMax: 20 },
    src: "path",
    level: { type: "integer", min: 1, max: 9 },
    fast: "boolean",
  },
};
const good = { label: "a b;$(c)", src: "notes", level: 3, fast: true };

function fill(values: Readonly<Record<string, string | number | boolean>>): ActionFill {
  return fillAction(backup, values, (name) => (name === "outside" ? null : `/root/${name}`));
}

test("each parameter fills its place, and no text becomes another argument", () => {
  assert.deepEqual(fill(good), {
    kind: "argv",
    argv: ["rsync", "-a", "--label=a b;$(c)", "/root/notes", "/backup/3/true"],
  });
  fc.assert(
    fc.property(fc.string({ maxLength: 20 }), (label) => {
      const filled = fill({ ...good, label });
      if (filled.kind === "argv") {
        assert.equal(filled.argv.length, backup.argv.length);
        assert.equal(filled.argv[2], `--label=${label}`);
      }
    }),
  );
});

test("a value of another type, out of range, unknown or missing is refused by name", () => {
  const wrong: readonly (readonly [values: object, why: RegExp])[] = [
    [{ ...good, label: 1 }, /label must be a text/],
    [{ ...good, label: "x".repeat(21) }, /label may have 20/],
    [{ ...good, label: "a\nb" }, /label holds a control character/],
    [{ ...good, level: "3" }, /level must be a whole number/],
    [{ ...good, level: 10 }, /level is out of range/],
    [{ ...good, level: 1.5 }, /level must be a whole number/],
    [{ ...good, fast: "true" }, /fast must be true or false/],
    [{ ...good, src: "outside" }, /src must be a path below a root/],
    [{ ...good, extra: 1 }, /no parameter "extra"/],
    [{ label: "a", src: "b", level: 3 }, /fast is missing/],
    [{ ...good, toString: 1 }, /no parameter "toString"/],
  ];
  for (const [values, why] of wrong) {
    const filled = fill({ ...values });
    assert.ok(filled.kind === "refused");
    assert.match(filled.because, why);
  }
});

test("an enum takes its own words only, and a bare text is no option", () => {
  const action: ActionFile = {
    argv: ["x", "{mode}", "{text}"],
    params: { mode: { enum: ["a", "b"] }, text: "string" },
  };
  const filled = (mode: string, text: string): ActionFill =>
    fillAction(action, { mode, text }, () => null);
  assert.deepEqual(filled("a", "t"), { kind: "argv", argv: ["x", "a", "t"] });
  assert.equal(filled("c", "t").kind, "refused");
  assert.equal(filled("a", "-t").kind, "refused");
});

test("an action is placed as the argv of its owner, with paths below the roots only", () => {
  const policy = policyFrom({
    actions: { backup: { argv: ["cp", "{src}"], params: { src: "path" } } },
  });
  const placed = (action: string, src: string): ReturnType<typeof place> =>
    place(
      { kind: "action", action, params: { src } },
      { home, roots: policy.roots, actions: policy.book?.actions ?? {} },
    );
  assert.deepEqual(placed("backup", "a/../b"), {
    kind: "placed",
    placed: { kind: "exec", argv: ["cp", `${root}/b`], cwd: root },
    cwd: root,
    action: "backup",
  });
  assert.equal(placed("backup", "~/.ssh/id").kind, "unrunnable");
  assert.equal(placed("other", "a").kind, "unrunnable");
  assert.equal(placed("constructor", "a").kind, "unrunnable");
});
