// Which texts are secrets of this worker, and the shapes in which one may be printed.

export interface Secret {
  /** Shown in place of the value: "worker token", a variable's name. */
  readonly name: string;
  readonly value: string;
}

/** Shorter values would be found everywhere, and are easily guessed anyway. */
export const secretBytesMin = 8;
/** Of a longer value only the beginning is looked for. */
const secretBytesMax = 4_096;
/** Values longer than this are looked for in fewer shapes: each shape of each byte costs memory. */
const allShapesBytesMax = 512;
const lineBytesMin = 16;

const secretName =
  /TOKEN|SECRET|PASSW(?:OR)?D|PASSPHRASE|API_?KEY|ACCESS_?KEY|PRIVATE_?KEY|SIGNING_?KEY|ENCRYPTION_?KEY|CREDENTIAL|_AUTH$|_DSN$/i;
const pointerName = /(?:_FILE|_PATH|_DIR|_SOCK|_NAME|_ID|_HELPER|_PROGRAM|ASKPASS)$/i;

/**
 * What this worker knows and nobody else shall: its token, and those values of its own environment
 * whose names say that they are secret. A name that says where a secret is (`…_FILE`) is none.
 */
export function secretsOf(
  env: Readonly<Record<string, string | undefined>>,
  token: string,
): readonly Secret[] {
  const secrets = new Map([[token, "worker token"]]);
  for (const [name, value = ""] of Object.entries(env)) {
    if (!secretName.test(name) || pointerName.test(name)) continue;
    if (value.length < secretBytesMin || isPath(value)) continue;
    if (!secrets.has(value)) secrets.set(value, name);
  }
  return [...secrets].map(([value, name]) => ({ name, value }));
}

/** `GOOGLE_APPLICATION_CREDENTIALS=/home/ann/key.json` */
function isPath(value: string): boolean {
  return /^(?:~|\.{1,2})?(?:\/[\w.@ -]+){2,}$/.test(value) && !/[+=]/.test(value);
}

/** One shape of a secret. `wraps`: programs break it into lines. */
export interface Shape {
  readonly bytes: Buffer;
  readonly wraps: boolean;
}

/** Every shape in which a value is looked for; none for a value that is too short. */
export function shapesOf(value: string): readonly Shape[] {
  const whole = Buffer.from(value, "utf8").subarray(0, secretBytesMax);
  if (whole.length < secretBytesMin) return [];
  const text = whole.toString("utf8");
  const plain = [text, ...linesOf(text), ...jsonOf(text)];
  const shapes = plain.map((one) => ({ bytes: Buffer.from(one, "utf8"), wraps: false }));
  shapes.push(...base64Of(whole).map((one) => ({ bytes: Buffer.from(one), wraps: true })));
  if (whole.length <= allShapesBytesMax) {
    const hex = whole.toString("hex");
    shapes.push(
      ...[hex, hex.toUpperCase()].map((one) => ({ bytes: Buffer.from(one), wraps: true })),
      ...urlOf(text).map((one) => ({ bytes: Buffer.from(one), wraps: false })),
    );
  }
  return distinct(shapes);
}

/** A key of many lines is often shown one by one, or indented. */
function linesOf(text: string): readonly string[] {
  if (!text.includes("\n")) return [];
  return text
    .split(/\r?\n/)
    .map((line) => line.trim())
    .filter((line) => line.length >= lineBytesMin && !line.startsWith("-----"));
}

function jsonOf(text: string): readonly string[] {
  const escaped = JSON.stringify(text).slice(1, -1);
  return [escaped, escaped.replaceAll("/", "\\/")];
}

function urlOf(text: string): readonly string[] {
  // Text that was cut in the middle of a character has no URL form of its own.
  const encoded = encodeURIComponent(text.toWellFormed());
  const strict = encoded.replaceAll(
    /[!'()*~]/g,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
  );
  const forms = [encoded, strict, encoded.replaceAll("%20", "+"), strict.replaceAll("%20", "+")];
  const lower = forms.map((form) => form.replaceAll(/%[0-9A-F]{2}/g, (code) => code.toLowerCase()));
  return [...forms, ...lower];
}

/**
 * What base64 (RFC 4648, both alphabets) makes of the value wherever it stands in what is encoded:
 * of each of the three alignments the characters that depend on the value alone.
 */
function base64Of(value: Buffer): readonly string[] {
  return [0, 1, 2].flatMap((before) => {
    const padded = Buffer.concat([Buffer.alloc(before), value]);
    const first = Math.ceil((before * 8) / 6);
    const last = Math.floor((padded.length * 8) / 6);
    return [padded.toString("base64"), padded.toString("base64url")].map((text) =>
      text.slice(first, last),
    );
  });
}

function distinct(shapes: readonly Shape[]): readonly Shape[] {
  return [...new Map(shapes.map((shape) => [shape.bytes.toString("latin1"), shape])).values()];
}
