import { ratiosOf, type Spread, spreadOf } from "./statistics.ts";

/** Something that is measured in each round. `better` is absent if it only explains the others, such as the CPU time. */
export interface Figure {
  readonly name: string;
  readonly unit: string;
  readonly better?: "more" | "less";
}

/** A figure of one side over all rounds. */
export interface Row {
  readonly side: string;
  readonly figure: string;
  readonly unit: string;
  readonly spread: Spread;
}

/** Helios' figure divided by a peer's, in each round. */
export interface Ratio {
  /** The part of Helios that is compared, if a result has several. */
  readonly ours?: string;
  readonly figure: string;
  readonly peer: string;
  readonly better: "more" | "less";
  readonly spread: Spread;
}

/** All figures of one kind of load, or of one program. */
export interface Result {
  readonly suite: string;
  /** What was measured, such as `8 × 16`. Unique within the suite. */
  readonly name: string;
  readonly rows: readonly Row[];
  readonly ratios: readonly Ratio[];
}

/** Everything that one run of `npm run bench` measured. */
export interface Results {
  readonly machine: Machine;
  /** Versions of Node and of the peers. */
  readonly versions: Readonly<Record<string, string>>;
  readonly rounds: number;
  readonly isQuick: boolean;
  readonly begun: string;
  readonly seconds: number;
  readonly results: readonly Result[];
}

export interface Machine {
  readonly cpu: string;
  readonly cores: number;
  readonly memoryGib: number;
  readonly system: string;
  /** Whether servers and load were held to a core each. */
  readonly isPinned: boolean;
  /** Load average over a minute, before and after. */
  readonly loadBefore: number;
  readonly loadAfter: number;
}

export type Sample = Readonly<Record<string, number>>;

/**
 * Summarizes the rounds of all sides. `samples`: for each side its rounds, and in each the figures by name. The first side
 * is ours; its figures are divided by those of each other side.
 */
export function summarize(
  { suite, name }: Pick<Result, "suite" | "name">,
  figures: readonly Figure[],
  sides: readonly string[],
  samples: readonly (readonly Sample[])[],
): Result {
  const of = (side: number, figure: string): number[] => (samples[side] ?? []).map((one) => one[figure] ?? Number.NaN);
  const rows = sides.flatMap((side, index) =>
    figures.map(({ name: figure, unit }) => ({ side, figure, unit, spread: spreadOf(of(index, figure)) })),
  );
  const ratios = sides.slice(1).flatMap((peer, index) =>
    figures.flatMap(({ name: figure, better }) => {
      if (better === undefined) return [];
      return [{ figure, peer, better, spread: spreadOf(ratiosOf(of(0, figure), of(index + 1, figure))) }];
    }),
  );
  return { suite, name, rows, ratios };
}

/** The name of a ratio in the record, such as `unary / 8 × 16 / calls per second / grpc-js`. */
export function ratioId({ suite, name }: Result, { ours, figure, peer }: Ratio): string {
  return [suite, name, ...(ours === undefined ? [] : [ours]), figure, peer].join(" / ");
}
