/** Whether `path` is `folder` or lies below it. Both absolute, without '..'. */
export function isWithin(path: string, folder: string): boolean {
  return path === folder || path.startsWith(folder === "/" ? "/" : `${folder}/`);
}
