// Lines out of a stream of bytes, none longer than a limit.

export interface Lines {
  /** The lines that these bytes complete; null: one of them is too long. */
  push(chunk: Buffer): readonly string[] | null;
}

export function createLines(bytesMax: number): Lines {
  let parts: Buffer[] = [];
  let bytes = 0;
  return {
    push(chunk) {
      const lines: string[] = [];
      let from = 0;
      for (let at = chunk.indexOf(10); at >= 0; at = chunk.indexOf(10, from)) {
        const end = chunk.subarray(from, at);
        if (bytes + end.length > bytesMax) return null;
        lines.push(Buffer.concat([...parts, end]).toString("utf8"));
        [parts, bytes, from] = [[], 0, at + 1];
      }
      const rest = chunk.subarray(from);
      bytes += rest.length;
      if (bytes > bytesMax) return null;
      if (rest.length > 0) parts.push(rest);
      return lines;
    },
  };
}
