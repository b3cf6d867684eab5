import type { Evaluation } from "../../../kernel/flags/evaluation.ts";
import type { AnswerCount } from "./answers.ts";

/** Beyond that many different answers of one flag, they are searched by variant. */
const FEW = 8;

interface Cell {
  readonly variant: string;
  readonly reason: Evaluation["reason"];
  readonly errorCode: Evaluation["errorCode"];
  count: number;
  lastTime: number;
}

/**
 * The answers of one flag that the service gave since they were taken. It is counted for each evaluation, and so made to cost
 * a few nanoseconds: the last answer comes first, and counting an answer again allocates nothing.
 */
export class Tally {
  readonly name: string;
  /** Whether it is among those that wait to be taken. */
  waits = false;
  #last: Cell | undefined;
  readonly #cells: Cell[] = [];
  /** The cells of each variant, if there are more than a few. */
  #byVariant: Map<string, Cell[]> | undefined;

  constructor(name: string) {
    this.name = name;
  }

  count(answer: Evaluation, now: number): void {
    const last = this.#last;
    const cell = last !== undefined && fits(last, answer) ? last : this.#find(answer);
    cell.count += 1;
    cell.lastTime = now;
  }

  /** Returns what was counted, and begins anew. */
  take(): readonly AnswerCount[] {
    this.waits = false;
    const taken = this.#cells.filter(({ count }) => count > 0).map((cell) => ({ ...cell }));
    for (const cell of this.#cells) cell.count = 0;
    return taken;
  }

  #find(answer: Evaluation): Cell {
    const cell = this.#known(answer) ?? this.#add(answer);
    this.#last = cell;
    return cell;
  }

  #known(answer: Evaluation): Cell | undefined {
    const candidates = this.#byVariant === undefined ? this.#cells : this.#byVariant.get(answer.variant);
    if (candidates === undefined) return undefined;
    // A callback would be allocated.
    for (const each of candidates) if (fits(each, answer)) return each;
    return undefined;
  }

  #add({ variant, reason, errorCode }: Evaluation): Cell {
    const cell: Cell = { variant, reason, errorCode, count: 0, lastTime: 0 };
    this.#cells.push(cell);
    if (this.#cells.length > FEW) {
      if (this.#byVariant === undefined) this.#byVariant = Map.groupBy(this.#cells, (each) => each.variant);
      else this.#byVariant.set(variant, [...(this.#byVariant.get(variant) ?? []), cell]);
    }
    return cell;
  }
}

function fits(cell: Cell, { variant, reason, errorCode }: Evaluation): boolean {
  return cell.reason === reason && cell.variant === variant && cell.errorCode === errorCode;
}

/** Something that is asked for, with its tally once it has been. */
export interface Tallied {
  tally: Tally | undefined;
}

/** The tallies that have counted something since they were taken. */
export class Tallies {
  readonly #onFirst: () => void;
  /** By name. A flag that was changed meanwhile has several. */
  readonly #waiting = new Map<string, readonly Tally[]>();

  /** `onFirst` is called when there is something to take, after there was nothing. */
  constructor(onFirst: () => void) {
    this.#onFirst = onFirst;
  }

  /** Counts an answer that was given at this wall time in ms. */
  count(asked: Tallied, answer: Evaluation, now: number): void {
    asked.tally ??= new Tally(answer.name);
    const { tally } = asked;
    tally.count(answer, now);
    if (!tally.waits) this.#wait(tally);
  }

  /** The number of names of which there is something to take. */
  get size(): number {
    return this.#waiting.size;
  }

  /** The names of which there is something to take. */
  names(): Iterable<string> {
    return this.#waiting.keys();
  }

  /** Returns what was counted of a name, and begins anew. */
  take(name: string): readonly AnswerCount[] {
    const waiting = this.#waiting.get(name) ?? [];
    this.#waiting.delete(name);
    return waiting.flatMap((tally) => tally.take());
  }

  #wait(tally: Tally): void {
    tally.waits = true;
    this.#waiting.set(tally.name, [...(this.#waiting.get(tally.name) ?? []), tally]);
    if (this.#waiting.size === 1) this.#onFirst();
  }
}
