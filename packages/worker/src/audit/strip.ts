// A file that only grows, and the one place where the audit log touches the disk. What could not be
// written whole is taken back, so that the file never holds half of something.

import { readSync } from "node:fs";
import { open, type FileHandle } from "node:fs/promises";

export interface Strip extends AsyncDisposable {
  /** Bytes that were appended whole. */
  readonly size: number;
  /** @throws the system's error; the file is as it was then */
  append(bytes: Buffer): Promise<void>;
  /** Waits until all of it is on the disk (fdatasync), in another thread. */
  sync(): Promise<void>;
  /** Cuts the file. It is cut at the next `append` if the disk refuses now. */
  cut(size: number): Promise<void>;
  /** At most `length` bytes from `position` on; less only at the end. */
  read(position: number, length: number): Promise<Buffer>;
  /** The same at once: for a few bytes that were written not long ago. */
  readNow(position: number, length: number): Buffer;
}

/** Opens the file, or makes it: nobody else reads it (0600). */
export async function openStrip(file: string): Promise<Strip> {
  const handle = await open(file, "a+", 0o600);
  await handle.close();
  return stripOf(await open(file, "r+"));
}

async function stripOf(handle: FileHandle): Promise<Strip> {
  let size = (await handle.stat()).size;
  let dirty = false;

  const settle = async (): Promise<void> => {
    if (!dirty) return;
    await handle.truncate(size);
    dirty = false;
  };

  return {
    get size() {
      return size;
    },
    async append(bytes) {
      await settle();
      try {
        await writeAll(handle, bytes, size);
      } catch (thrown) {
        dirty = true;
        await settle().catch(() => {});
        throw thrown;
      }
      size += bytes.length;
    },
    sync: () => handle.datasync(),
    async cut(to) {
      size = to;
      dirty = true;
      await settle().catch(() => {});
    },
    async read(position, length) {
      const wanted = Math.max(0, Math.min(length, size - position));
      const { buffer, bytesRead } = await handle.read(Buffer.alloc(wanted), 0, wanted, position);
      return buffer.subarray(0, bytesRead);
    },
    readNow(position, length) {
      const buffer = Buffer.alloc(length);
      return buffer.subarray(0, readSync(handle.fd, buffer, 0, length, position));
    },
    [Symbol.asyncDispose]: () => handle.close(),
  };
}

async function writeAll(handle: FileHandle, bytes: Buffer, position: number): Promise<void> {
  let done = 0;
  while (done < bytes.length) {
    const { bytesWritten } = await handle.write(bytes, done, bytes.length - done, position + done);
    done += bytesWritten;
  }
}
