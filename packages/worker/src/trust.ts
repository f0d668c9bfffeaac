// Who may change a folder may put another file in the place of any in it. Nothing here looks at a
// disk: what is there is handed in.

import path from "node:path";

/** Of a folder, as stat(2) tells it. */
export interface Seen {
  readonly uid: number;
  readonly mode: number;
}

/**
 * Why other users could put another file in the place of this one, by one of the folders that it lies
 * in up to the top of the disk; null when they cannot.
 * @param real absolute real path of a file or folder
 * @param uid who must be able to rely on it
 * @param look stat(2)
 */
export function problemAbove(
  real: string,
  uid: number,
  look: (folder: string) => Seen,
): string | null {
  for (let folder = real; folder !== path.dirname(folder);) {
    folder = path.dirname(folder);
    const problem = folderProblem(folder, look(folder), uid);
    if (problem !== null) return `lies in ${problem}`;
  }
  return null;
}

const sticky = 0o1000;
// Inside a user namespace that does not know the owner (a container's `/`, say) Linux tells this one.
const unknownOwner = 65_534;

/** Root is trusted, and so is a folder like /tmp, where each may move only what is theirs. */
function folderProblem(folder: string, seen: Seen, uid: number): string | null {
  if (seen.uid !== uid && seen.uid !== 0 && seen.uid !== unknownOwner) {
    return `${folder}, which belongs to another user (number ${seen.uid}), who could swap it: choose a folder of your own with OPENCLAW_WORKER_HOME`;
  }
  if ((seen.mode & 0o022) === 0 || (seen.mode & sticky) !== 0) return null;
  const sudo = seen.uid === uid ? "" : "sudo ";
  return `${folder}, which other users can change: close it with  ${sudo}chmod go-w '${folder}'`;
}
