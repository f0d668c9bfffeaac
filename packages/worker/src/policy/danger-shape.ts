// What can be said of a program in the table of dangers (danger.ts).

export interface Danger {
  /** Letters of single-dash options. */
  readonly short?: string;
  /** Names of double-dash options, without the dashes; a beginning of one counts. */
  readonly long?: readonly string[];
  /** Whole words anywhere; also with `=` and a value. */
  readonly words?: readonly string[];
  /** Beginnings of words that count, such as `of=`. */
  readonly starts?: readonly string[];
  /** Subcommands: the first word that is no option, or the first `depth` of them. */
  readonly commands?: readonly string[];
  readonly depth?: number;
  /** More words than this that are no options: the last ones name files that are written. */
  readonly operandsMax?: number;
  /** `make CC=x`: words that set a variable. */
  readonly assignments?: true;
  /** What counts only before the subcommand (`git -c x=y log`). */
  readonly before?: Danger;
  /** What counts only with one subcommand. */
  readonly under?: Readonly<Record<string, Danger>>;
  /** `tar xIf`: the first word is a bundle without a dash. */
  readonly bundleFirst?: true;
  /** The words are programs of a small language; only simple ones pass. */
  readonly scripts?: "sed";
}

/** The words of a text. */
export const list = (text: string): readonly string[] => text.split(" ");
