import { Problem } from "@openclaw-worker/protocol";

/** Is this only that the store cannot be reached? A shared store says so itself, once. */
export function isAway(error: unknown): boolean {
  return (
    error instanceof Problem && (error.code === "store-unavailable" || error.code === "stopping")
  );
}
