// Reading what another process said: every field is looked at before it is used.

export interface Fields {
  text(name: string): string;
  number(name: string): number;
  texts(name: string): readonly string[];
  numbers(name: string): readonly number[];
  list(name: string): readonly unknown[];
}

/** @throws TypeError when the value is no object, or later when a field is not what was asked for */
export function fieldsOf(value: unknown): Fields {
  if (typeof value !== "object" || value === null) throw new TypeError("not an object");
  const members = new Map<string, unknown>(Object.entries(value));
  const fail = (name: string): never => {
    throw new TypeError(`${name} is not as expected in ${JSON.stringify(value).slice(0, 300)}`);
  };
  const list = (name: string): readonly unknown[] => {
    const found = members.get(name);
    return Array.isArray(found) ? found : fail(name);
  };
  return {
    text(name) {
      const found = members.get(name);
      return typeof found === "string" ? found : fail(name);
    },
    number(name) {
      const found = members.get(name);
      return typeof found === "number" ? found : fail(name);
    },
    texts: (name) => list(name).map((one) => (typeof one === "string" ? one : fail(name))),
    numbers: (name) => list(name).map((one) => (typeof one === "number" ? one : fail(name))),
    list,
  };
}
