/** Ends a complete switch: the compiler refuses it when a case is missing. */
export function never(value: never): never {
  throw new Error(`unreachable case: ${JSON.stringify(value)}`);
}
