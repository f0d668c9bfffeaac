// Keys and signatures: Ed25519 (RFC 8032) over canonical JSON (RFC 8785). Public keys are written as
// OpenSSH writes them, so `ssh-keygen -lf` shows the same fingerprint as we do.

import {
  createHash,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  sign,
  verify,
  type KeyObject,
} from "node:crypto";
import { z } from "zod";
import { canonicalJson } from "./canonical.ts";

export interface PublicKey {
  /** `ssh-ed25519 AAAA…`, without a comment. */
  readonly text: string;
  /** `SHA256:…`, as `ssh-keygen -l` prints it. */
  readonly fingerprint: string;
  readonly key: KeyObject;
}

export interface PrivateKey {
  readonly public: PublicKey;
  readonly key: KeyObject;
}

export const fingerprintSchema = z
  .string()
  .regex(/^SHA256:[A-Za-z0-9+/]{43}$/, "must be a fingerprint: SHA256: and 43 characters");

export const signatureSchema = z.strictObject({
  /** Whose it is. */
  key: fingerprintSchema,
  /** 64 bytes in base64url without padding. */
  value: z.string().regex(/^[A-Za-z0-9_-]{86}$/, "must be an Ed25519 signature in base64url"),
});
export type Signature = z.infer<typeof signatureSchema>;

/** What is signed: a signature of one type is never one of another. */
export type SignedType = "decision" | "resume" | "task" | "grant" | "checkpoint";

const algorithm = "ssh-ed25519";
const rawBytes = 32;

/** A new key pair, from the system's random source. */
export function newPrivateKey(): PrivateKey {
  return privateKeyOf(generateKeyPairSync("ed25519").privateKey);
}

/** PKCS #8 in PEM (RFC 5958, RFC 8410). Keep it in a file that only its owner reads. */
export function privateKeyPem({ key }: PrivateKey): string {
  return key.export({ type: "pkcs8", format: "pem" }).toString();
}

/** The key in a PEM text, or null when there is no Ed25519 key in it. */
export function parsePrivateKey(pem: string): PrivateKey | null {
  try {
    const key = createPrivateKey(pem);
    return key.asymmetricKeyType === "ed25519" ? privateKeyOf(key) : null;
  } catch {
    return null;
  }
}

/** The key in `ssh-ed25519 AAAA… [comment]` (RFC 8709), or null. */
export function parsePublicKey(text: string): PublicKey | null {
  const [name, base64 = ""] = text.trim().split(/\s+/);
  if (name !== algorithm) return null;
  const blob = Buffer.from(base64, "base64");
  const head = wireText(algorithm);
  const raw = blob.subarray(head.length + 4);
  const well =
    blob.toString("base64") === base64 &&
    raw.length === rawBytes &&
    blob.subarray(0, head.length + 4).equals(Buffer.concat([head, length(rawBytes)]));
  return well ? publicKeyOf(raw) : null;
}

/** Signs a document: it is canonical JSON under the name of its type. Throws for what JSON cannot say. */
export function signDocument(type: SignedType, document: unknown, by: PrivateKey): Signature {
  const value = sign(null, bytesToSign(type, document), by.key).toString("base64url");
  return { key: by.public.fingerprint, value };
}

/** Is this the key's signature of exactly this document, as this type? */
export function verifyDocument(
  type: SignedType,
  document: unknown,
  by: { readonly signature: Signature; readonly key: PublicKey },
): boolean {
  const { signature, key } = by;
  if (signature.key !== key.fingerprint) return false;
  const value = Buffer.from(signature.value, "base64url");
  if (value.toString("base64url") !== signature.value) return false;
  return verify(null, bytesToSign(type, document), key.key, value);
}

/** SHA-256 of a document's canonical JSON, in hex. */
export function digestOf(document: unknown): string {
  return createHash("sha256").update(canonicalJson(document), "utf8").digest("hex");
}

function bytesToSign(type: SignedType, document: unknown): Buffer {
  return Buffer.from(`openclaw-worker ${type} v1\n${canonicalJson(document)}`, "utf8");
}

function privateKeyOf(key: KeyObject): PrivateKey {
  const { x = "" } = createPublicKey(key).export({ format: "jwk" });
  return { public: publicKeyOf(Buffer.from(x, "base64url")), key };
}

function publicKeyOf(raw: Buffer): PublicKey {
  const blob = Buffer.concat([wireText(algorithm), length(rawBytes), raw]);
  const hash = createHash("sha256").update(blob).digest("base64").replace(/=+$/, "");
  const jwk = { kty: "OKP", crv: "Ed25519", x: raw.toString("base64url") };
  return {
    text: `${algorithm} ${blob.toString("base64")}`,
    fingerprint: `SHA256:${hash}`,
    key: createPublicKey({ key: jwk, format: "jwk" }),
  };
}

/** A string as SSH puts it on the wire (RFC 4251, section 5). */
function wireText(text: string): Buffer {
  return Buffer.concat([length(text.length), Buffer.from(text, "latin1")]);
}

function length(bytes: number): Buffer {
  const buffer = Buffer.alloc(4);
  buffer.writeUInt32BE(bytes);
  return buffer;
}
