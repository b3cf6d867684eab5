import { prefixedMurmur3 } from "../../../kernel/flags/bucket.ts";

/** Clients that are told apart for each flag; beyond them, those that reported it longest ago are forgotten. @limit clients */
export const MAX_CLIENTS = 1000;

const HIGH = prefixedMurmur3("", 0);
const LOW = prefixedMurmur3("", 1);

/** A number of 48 bits that stands for a client. Two of a thousand clients share theirs in one of 500 million cases. */
export function clientNumber(clientId: string): number {
  return HIGH(clientId) * 0x10000 + (LOW(clientId) >>> 16);
}

/** The clients that reported a flag, each with the last UTC day on which it did. */
export class ClientDays {
  readonly #days = new Map<number, number>();
  /** The newest day on which a client that was forgotten had reported; 0 if none was. */
  #forgotten: number;

  constructor(days: Iterable<readonly [client: number, day: number]> = [], forgotten = 0) {
    this.#forgotten = forgotten;
    for (const [client, day] of days) this.note(client, day);
  }

  get size(): number {
    return this.#days.size;
  }

  get forgotten(): number {
    return this.#forgotten;
  }

  entries(): Iterable<readonly [client: number, day: number]> {
    return this.#days;
  }

  /** Undefined if no client reported. */
  newestDay(): number | undefined {
    let newest: number | undefined;
    for (const day of this.#days.values()) newest = Math.max(newest ?? day, day);
    return newest;
  }

  /** Notes that a client reported on a day. Returns whether anything changed. */
  note(client: number, day: number): boolean {
    const known = this.#days.get(client);
    if (known !== undefined && known >= day) return false;
    if (known === undefined && this.#days.size >= MAX_CLIENTS && !this.#makeRoom(day)) return this.#forget(day);
    this.#days.set(client, day);
    return true;
  }

  /** Adds all that another one knows. Returns whether anything changed. */
  merge(other: ClientDays): boolean {
    let changed = this.#forget(other.forgotten);
    for (const [client, day] of other.entries()) changed = this.note(client, day) || changed;
    return changed;
  }

  /** How many clients reported since that day, and whether there may have been more. */
  since(day: number): { readonly clients: number; readonly capped: boolean } {
    let clients = 0;
    for (const last of this.#days.values()) if (last >= day) clients += 1;
    return { clients, capped: this.#forgotten >= day };
  }

  /** Forgets a client that reported before that day, if there is one. Returns whether there was. */
  #makeRoom(day: number): boolean {
    // One that reported on that day was forgotten, so none that reported earlier is left.
    if (day <= this.#forgotten) return false;
    let [oldest, least] = [-1, day];
    for (const [client, last] of this.#days) if (last < least) [oldest, least] = [client, last];
    if (least === day) return false;
    this.#days.delete(oldest);
    this.#forget(least);
    return true;
  }

  #forget(day: number): boolean {
    if (day <= this.#forgotten) return false;
    this.#forgotten = day;
    return true;
  }
}
