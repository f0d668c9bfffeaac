import { messageOf } from "@openclaw-worker/base";

/** Watches; where the system cannot, `warn` is told why in a few words, and null says so. */
export function watchOr(watch: () => Disposable, warn: (why: string) => void): Disposable | null {
  try {
    return watch();
  } catch (thrown) {
    warn(messageOf(thrown));
    return null;
  }
}
