// The two ends of the local socket, `local.sock` in the state folder. Who may speak on it is decided
// by the folder, which is its owner's alone (0700), and by the socket's own mode (0600): a person of
// this account. A caged task is neither: the state folder is not in its cage, and it opens no
// sockets of this kind. What the policy lets run outside of the cage is this account, and could.

import { chmodSync, closeSync, constants, existsSync, openSync, rmSync } from "node:fs";
import { createConnection, createServer, type Server, type Socket } from "node:net";
import path from "node:path";
import { messageOf } from "@openclaw-worker/base";

export const socketName = "local.sock";

/** sockaddr_un holds 104 bytes on macOS and 108 on Linux, with the NUL at its end. */
const pathBytesMax = 103;

/**
 * Listens in the folder, which must be this worker's alone: what is there from before is a dead
 * process's. Rejects when that cannot be done.
 */
export async function listenIn(
  stateDir: string,
  onSocket: (socket: Socket) => void,
): Promise<AsyncDisposable> {
  using address = addressIn(stateDir);
  rmSync(path.join(stateDir, socketName), { force: true });
  const server = createServer(onSocket);
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.once("error", reject);
  server.listen(address.path, resolve);
  await promise.catch((cause: unknown) => {
    const why = `${messageOf(cause)}: the state folder must lie on a disk of this computer`;
    throw new Error(`the local socket cannot be made (${why})`, { cause });
  });
  server.off("error", reject);
  chmodSync(path.join(stateDir, socketName), 0o600);
  return {
    async [Symbol.asyncDispose]() {
      await close(server);
      rmSync(path.join(stateDir, socketName), { force: true });
    },
  };
}

function close(server: Server): Promise<void> {
  return new Promise((resolve) => void server.close(() => resolve()));
}

/** Connects to the worker of this state folder; null when none listens there. */
export async function connectIn(stateDir: string): Promise<Socket | null> {
  if (!existsSync(path.join(stateDir, socketName))) return null;
  using address = addressIn(stateDir);
  const socket = createConnection(address.path);
  const { promise, resolve } = Promise.withResolvers<Socket | null>();
  socket.once("connect", () => resolve(socket));
  socket.once("error", () => resolve(null));
  return await promise;
}

interface Address extends Disposable {
  readonly path: string;
}

/**
 * A name that fits into an address: a long one is reached through the open folder, which Linux can.
 * @throws Error when the folder cannot be opened
 */
function addressIn(stateDir: string): Address {
  const plain = path.join(stateDir, socketName);
  if (Buffer.byteLength(plain) <= pathBytesMax) {
    return { path: plain, [Symbol.dispose]() {} };
  }
  const folder = openSync(stateDir, constants.O_RDONLY | constants.O_DIRECTORY);
  const short = `/proc/self/fd/${folder}/${socketName}`;
  return { path: short, [Symbol.dispose]: () => closeSync(folder) };
}
