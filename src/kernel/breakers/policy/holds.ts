// Holds: decisions of people, which override the automatic state. All functions are pure.

/** FORCED_OPEN rejects every call. The others let every call pass; under DISABLED the calls are not counted. */
export type OverrideKind = "FORCED_OPEN" | "DISABLED" | "FORCED_CLOSED" | "METRICS_ONLY";

/** The kinds of holds, strongest first. The strongest decides, so that one holder cannot undo the precaution of another. */
const BY_STRENGTH: readonly OverrideKind[] = ["FORCED_OPEN", "DISABLED", "FORCED_CLOSED", "METRICS_ONLY"];

/** The decision of one holder. It applies until the holder releases it, it expires or the breaker is reset. */
export interface Hold {
  /** The name that its holder gave it. */
  readonly id: string;
  readonly kind: OverrideKind;
  /** The operation that made it. */
  readonly action: string;
  readonly actor?: string;
  readonly reason?: string;
  /** When it was made; wall time in ms. */
  readonly time: number;
  /** How long it applies from then, in ms. Absent: until it is released. */
  readonly ttlMs?: number;
  /** When it expires, in monotonic ms. */
  readonly until?: number;
}

/** The hold that decides: the oldest of the strongest. */
export function decisive<H extends Pick<Hold, "kind">>(holds: readonly H[]): H | undefined {
  if (holds.length < 2) return holds[0];
  for (const kind of BY_STRENGTH) {
    const found = holds.find((hold) => hold.kind === kind);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** The holds with `hold`, which replaces a hold of the same id. Returns the same array if nothing changes. */
export function withHold(holds: readonly Hold[], hold: Hold): readonly Hold[] {
  const at = holds.findIndex(({ id }) => id === hold.id);
  const known = holds[at];
  if (known === undefined) return [...holds, hold];
  const says = (one: Hold): unknown => one.kind === hold.kind && one.until === undefined && hold.until === undefined;
  return says(known) ? holds : holds.with(at, hold);
}

/** The holds without the one of that id. Returns the same array if nothing changes. */
export function withoutHold(holds: readonly Hold[], id: string): readonly Hold[] {
  return holds.some((hold) => hold.id === id) ? holds.filter((hold) => hold.id !== id) : holds;
}

/** The holds that have not expired at `now`. Returns the same array if nothing changes. */
export function standing(holds: readonly Hold[], now: number): readonly Hold[] {
  return holds.some(({ until }) => until !== undefined && now >= until)
    ? holds.filter(({ until }) => until === undefined || now < until)
    : holds;
}

/** When the first of them expires. */
export function nextExpiry(holds: readonly Hold[]): number | undefined {
  const times = holds.flatMap(({ until }) => until ?? []);
  return times.length === 0 ? undefined : Math.min(...times);
}
