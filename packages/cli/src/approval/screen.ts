// The live list as a machine without a terminal: what is on the screen, what a key does, which
// lines there are. live.ts gives it a terminal.

import type { Grant, Verdict } from "@openclaw-worker/protocol";
import type { Paint } from "../paint.ts";
import { formLines, grantForm, grantOf, typeInto, type GrantForm } from "./form.ts";
import { approvalText, deedSummary, escaped, type Shown } from "./text.ts";

export interface Screen {
  readonly waiting: readonly Shown[];
  /** Id of the approval that the keys are about. */
  readonly selected: string | null;
  /** When `selected` came to be without the person's doing: keys count only some time after. */
  readonly selectedAt: number;
  /** First line of the details that is shown, and whether their end was seen. */
  readonly top: number;
  readonly seenEnd: boolean;
  readonly form: GrantForm | null;
  readonly note: string;
  readonly size: Size;
}

interface Size {
  readonly columns: number;
  readonly rows: number;
}

/** What the person wants done. */
export type Wish =
  | { readonly kind: "none" | "quit" }
  | {
      readonly kind: "decide";
      readonly shown: Shown;
      readonly verdict: Verdict;
      readonly grant: Grant | null;
    };

export interface Step {
  readonly screen: Screen;
  readonly wish: Wish;
}

/** A key pressed sooner than this after the selection moved by itself was meant for another. */
const hastyMs = 600;
const listRowsMax = 8;
const noWish: Wish = { kind: "none" };

export function openScreen(size: Size): Screen {
  return {
    waiting: [],
    selected: null,
    selectedAt: 0,
    top: 0,
    seenEnd: false,
    form: null,
    note: "",
    size,
  };
}

/** Takes over what waits now. The selection stays where it is while that one still waits. */
export function withWaiting(screen: Screen, waiting: readonly Shown[], now: number): Screen {
  if (waiting.some(({ request }) => request.id === screen.selected))
    return seen({ ...screen, waiting }, now);
  const selected = waiting[0]?.request.id ?? null;
  return seen(
    { ...screen, waiting, selected, selectedAt: now, top: 0, seenEnd: false, form: null },
    now,
  );
}

export function withNote(screen: Screen, note: string): Screen {
  return { ...screen, note };
}

export function withSize(screen: Screen, size: Size, now: number): Screen {
  return seen({ ...screen, size }, now);
}

/** What a terminal in raw mode sends at once: a key, one that is held down, or pasted text. */
export function press(screen: Screen, sent: string, now: number): Step {
  const keys = keysOf(sent);
  if (keys.includes("\u0003")) return { screen, wish: { kind: "quit" } };
  const [first = ""] = keys;
  if (keys.length <= 1) return pressOne(screen, first, now);
  let step = still(screen);
  const isHeld = moves.has(first) && keys.every((key) => key === first);
  for (const key of keys) {
    // Pasted text decides nothing: it is text where a rule is written, and no line in it is an Enter.
    if (step.screen.form === null ? isHeld : !ends.has(key)) step = pressOne(step.screen, key, now);
  }
  return step;
}

/** Keys that only show something else. */
const moves: ReadonlySet<string> = new Set(
  "j k b \u001B[A \u001B[B \u001B[5~ \u001B[6~".split(" ").concat(" "),
);
const ends: ReadonlySet<string> = new Set(["\r", "\n", "\u001B"]);

// A sequence of an arrow (ECMA-48, CSI), or a character.
function keysOf(sent: string): readonly string[] {
  return sent.match(/\p{Cc}\[[0-9;]*[A-Za-z~]|[^]/gu) ?? [];
}

function pressOne(screen: Screen, key: string, now: number): Step {
  if (screen.form !== null) return fill(screen, screen.form, { key, now });
  const shown = selectedOf(screen);
  switch (key) {
    case "q":
      return { screen, wish: { kind: "quit" } };
    case "j":
    case "\u001B[B":
      return still(move(screen, 1, now));
    case "k":
    case "\u001B[A":
      return still(move(screen, -1, now));
    case " ":
    case "\u001B[6~":
      return still(scroll(screen, 1, now));
    case "b":
    case "\u001B[5~":
      return still(scroll(screen, -1, now));
    case "d":
      return decide(screen, { shown, verdict: "deny", now });
    case "a":
      return decide(screen, { shown, verdict: "once", now });
    case "g":
      return openForm(screen, shown, now);
    default:
      return still(screen);
  }
}

function still(screen: Screen): Step {
  return { screen, wish: noWish };
}

function decide(
  screen: Screen,
  choice: { readonly shown: Shown | null; readonly verdict: "once" | "deny"; readonly now: number },
): Step {
  const { shown, verdict, now } = choice;
  if (shown === null) return still(screen);
  const why = whyNot(screen, verdict, now);
  if (why !== null) return still(withNote(screen, why));
  return { screen: withNote(screen, ""), wish: { kind: "decide", shown, verdict, grant: null } };
}

function whyNot(screen: Screen, verdict: Verdict, now: number): string | null {
  if (now - screen.selectedAt < hastyMs) return "This one has just come up: look, then press again";
  if (verdict !== "deny" && !screen.seenEnd) return "Read it to its end first (space)";
  return null;
}

function openForm(screen: Screen, shown: Shown | null, now: number): Step {
  if (shown === null) return still(screen);
  const why = whyNot(screen, "grant", now);
  if (why !== null) return still(withNote(screen, why));
  const form = grantForm(shown.request);
  if (form === null)
    return still(withNote(screen, "For this kind there is no standing permission"));
  return still({ ...screen, note: "", form });
}

function fill(
  screen: Screen,
  form: GrantForm,
  { key, now }: { readonly key: string; readonly now: number },
): Step {
  const step = typeInto(form, key);
  if (step.kind === "form") return still({ ...screen, form: step.form });
  if (step.kind === "left")
    return still({ ...screen, form: null, note: "No permission was given" });
  const shown = selectedOf(screen);
  const grant = grantOf(step.text, now);
  if (typeof grant === "string") {
    return still({ ...screen, note: grant, form: { field: "rule", values: step.text } });
  }
  if (shown === null) return still({ ...screen, form: null });
  return {
    screen: { ...screen, form: null, note: "" },
    wish: { kind: "decide", shown, verdict: "grant", grant },
  };
}

function move(screen: Screen, by: 1 | -1, now: number): Screen {
  const at = screen.waiting.findIndex(({ request }) => request.id === screen.selected);
  const next = screen.waiting[Math.min(Math.max(at + by, 0), screen.waiting.length - 1)];
  if (next === undefined || next.request.id === screen.selected) return screen;
  // Moved by hand: the person looks at it already.
  const selectedAt = now - hastyMs;
  return seen(
    { ...screen, selected: next.request.id, selectedAt, top: 0, seenEnd: false, note: "" },
    now,
  );
}

function scroll(screen: Screen, by: 1 | -1, now: number): Screen {
  const room = detailRows(screen);
  const top = screen.top + by * Math.max(1, room - 1);
  const last = Math.max(0, detailLines(screen, now, plain).length - room);
  return seen({ ...screen, top: Math.min(Math.max(top, 0), last), note: "" }, now);
}

/** Notes whether the end of the details is on the screen. */
function seen(screen: Screen, now: number): Screen {
  if (screen.selected === null) return screen;
  const lines = detailLines(screen, now, plain).length;
  return { ...screen, seenEnd: screen.seenEnd || screen.top + detailRows(screen) >= lines };
}

function selectedOf({ waiting, selected }: Screen): Shown | null {
  return waiting.find(({ request }) => request.id === selected) ?? null;
}

/** The lines of the screen, at most `size.rows` of at most `size.columns`. */
export function screenLines(screen: Screen, now: number, paint: Paint): readonly string[] {
  const { waiting, note, size } = screen;
  if (waiting.length === 0) {
    return [paint.dim("Nothing waits for you. (q: leave)"), ...(note === "" ? [] : [note])];
  }
  const head = `${waiting.length} ${waiting.length === 1 ? "waits" : "wait"} for your yes`;
  const details = detailLines(screen, now, paint).slice(
    screen.top,
    screen.top + detailRows(screen),
  );
  const more = screen.seenEnd ? "" : "  (space: more)";
  return [
    paint.bold(head) + paint.dim(more),
    ...listLines(screen, paint),
    "",
    ...details,
    ...(screen.form === null ? [] : formLines(screen.form, size.columns, paint)),
    paint.yellow(note.slice(0, size.columns)),
    paint.dim(
      "a allow once  d deny  g allow from now on…  ↑↓ choose  q leave".slice(0, size.columns),
    ),
  ];
}

function listLines({ waiting, selected, size }: Screen, paint: Paint): readonly string[] {
  const at = Math.max(
    0,
    waiting.findIndex(({ request }) => request.id === selected),
  );
  const from = Math.max(0, Math.min(at - listRowsMax + 1, waiting.length - listRowsMax));
  return waiting.slice(from, from + listRowsMax).map(({ request }) => {
    const text = `${escaped(request.worker)}: ${deedSummary(request.deed, size.columns)}`;
    const line = text.length > size.columns - 2 ? `${text.slice(0, size.columns - 3)}…` : text;
    return request.id === selected ? paint.cyan(`> ${line}`) : `  ${line}`;
  });
}

function detailRows({ waiting, size, form }: Screen): number {
  const list = Math.min(waiting.length, listRowsMax);
  return Math.max(3, size.rows - list - 4 - (form === null ? 0 : 3));
}

function detailLines(screen: Screen, now: number, paint: Paint): readonly string[] {
  const shown = selectedOf(screen);
  if (shown === null) return [];
  const { columns } = screen.size;
  // Wrapped without color, so that no sequence is cut in two; the first lines are the deed.
  return approvalText(shown, { now, paint: plain })
    .trimEnd()
    .split("\n")
    .flatMap((line) => wrapped(line, columns))
    .map((line) => (line.startsWith("  digest") ? paint.dim(line) : line));
}

function wrapped(line: string, columns: number): readonly string[] {
  const pieces: string[] = [];
  let [piece, width] = ["", 0];
  for (const character of line) {
    const wide = widthOf(character);
    if (width + wide > Math.max(columns, 12)) {
      pieces.push(piece);
      [piece, width] = ["    ", 4];
    }
    piece += character;
    width += wide;
  }
  return [...pieces, piece];
}

/** Cells of a terminal, at most: what may be wide counts as wide. */
function widthOf(character: string): number {
  return (character.codePointAt(0) ?? 0) >= 0x1100 ? 2 : 1;
}

const same = (text: string): string => text;
const plain: Paint = { red: same, green: same, yellow: same, cyan: same, bold: same, dim: same };
