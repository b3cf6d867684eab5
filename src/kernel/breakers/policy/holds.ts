// Overrides: what humans decided, above the automatic state. Pure.

/** FORCED_OPEN rejects every call; the others let every call pass: DISABLED counts nothing of them. */
export type OverrideKind = "FORCED_OPEN" | "DISABLED" | "FORCED_CLOSED" | "METRICS_ONLY";

/** The strongest first: with several holders that of the strongest holds, so that nobody's care is undone by another. */
const BY_STRENGTH: readonly OverrideKind[] = ["FORCED_OPEN", "DISABLED", "FORCED_CLOSED", "METRICS_ONLY"];

/** One holder's decision. It stands until its holder releases it, its own expiry comes or the breaker is reset. */
export interface Hold {
  /** The holder's own name for it. */
  readonly id: string;
  readonly kind: OverrideKind;
  /** What it was made with. */
  readonly action: string;
  readonly actor?: string;
  readonly reason?: string;
  /** When it was made; wall time in ms. */
  readonly time: number;
  /** How long after that its holder wanted it to stand; absent: until it is released. */
  readonly ttlMs?: number;
  /** When that ends, in monotonic ms. */
  readonly until?: number;
}

/** The hold that decides; of equally strong ones the oldest. */
export function decisive<H extends Pick<Hold, "kind">>(holds: readonly H[]): H | undefined {
  if (holds.length < 2) return holds[0];
  for (const kind of BY_STRENGTH) {
    const found = holds.find((hold) => hold.kind === kind);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** The holds with `hold`, in the place of the one of its id if there is one; the same where it says nothing new. */
export function withHold(holds: readonly Hold[], hold: Hold): readonly Hold[] {
  const at = holds.findIndex(({ id }) => id === hold.id);
  const known = holds[at];
  if (known === undefined) return [...holds, hold];
  const says = (one: Hold): unknown => one.kind === hold.kind && one.until === undefined && hold.until === undefined;
  return says(known) ? holds : holds.with(at, hold);
}

/** The holds without that one; the same where there is none of that id. */
export function withoutHold(holds: readonly Hold[], id: string): readonly Hold[] {
  return holds.some((hold) => hold.id === id) ? holds.filter((hold) => hold.id !== id) : holds;
}

/** Those that have not expired at `now`; the same where all stand. */
export function standing(holds: readonly Hold[], now: number): readonly Hold[] {
  return holds.some(({ until }) => until !== undefined && now >= until)
    ? holds.filter(({ until }) => until === undefined || now < until)
    : holds;
}

/** When the next of them expires. */
export function nextExpiry(holds: readonly Hold[]): number | undefined {
  const times = holds.flatMap(({ until }) => until ?? []);
  return times.length === 0 ? undefined : Math.min(...times);
}
