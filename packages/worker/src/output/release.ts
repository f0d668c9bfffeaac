// Large buffers are given back at once: the garbage collector looks at what JavaScript allocates, and
// lets tens of megabytes beside it wait for a reason to come.

/** What is smaller is not worth it, and may lie in a pool with others. */
const ownBytesMin = 65_536;

/**
 * Frees the memory of these bytes now. Only for what the caller has made itself and handed to nobody:
 * not for what a stream brought, nor for what the system still reads, as in a write under way.
 */
export function release(bytes: Uint8Array): void {
  const { buffer } = bytes;
  if (bytes.byteLength < ownBytesMin || bytes.byteLength !== buffer.byteLength) return;
  if (buffer instanceof ArrayBuffer) buffer.transfer(0);
}
