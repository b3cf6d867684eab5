import { BUCKETS } from "../../../kernel/flags/bucket.ts";
import type { Variant } from "../../../kernel/flags/rule.ts";
import { shareAt } from "../../../kernel/flags/share.ts";
import { variantLimits } from "../../../kernel/flags/variants.ts";
import { HeliosError } from "../../errors/error.ts";
import type { FlagDefinition } from "../record.ts";

/** The effect of a change on the buckets of a flag's keys. */
export interface Rebucketing {
  readonly name: string;
  /** The changed fields, by their names in the contract. */
  readonly fields: readonly string[];
  /** The percentage of keys that get another answer, with at most three decimals. */
  readonly percentage: number;
}

/**
 * The effect of a new salt, `bucketBy` or variants on a flag that is enabled before and after; undefined if no key moves.
 * It counts the keys whose answer differs because of that change alone, at the share that the flag has afterwards. A change
 * of the share, of the strategy, or of whether there are variants at all is intended, and does not count. Buckets by another
 * salt or field are independent of the present ones.
 */
export function rebucketing(
  name: string,
  before: FlagDefinition | undefined,
  after: FlagDefinition,
  nowMs: number,
): Rebucketing | undefined {
  if (!before?.enabled || !after.enabled) return undefined;
  const isIndependent = before.salt !== after.salt || before.bucketBy !== after.bucketBy;
  const [old, fresh] = formsOf(before.variants, after.variants);
  const moved = (share: number): number =>
    isIndependent ? 1 - sameByChance(share, old, fresh) : share * differingPart(old, fresh);
  // If everybody gets the same answer before or after, no key moves because of its bucket.
  const [was, is] = [moved(shareOf(before, nowMs)), moved(shareOf(after, nowMs))];
  if (Math.min(was, is) < SMALLEST) return undefined;
  const percentage = Math.round(is * 100_000) / 1000;
  const fields = [
    before.salt === after.salt ? [] : ["salt"],
    before.bucketBy === after.bucketBy ? [] : ["bucket_by"],
    differingPart(old, fresh) === 0 ? [] : ["variants"],
  ].flat();
  return { name, fields, percentage };
}

/** Throws FLAG_REBUCKETS if keys of a flag would move. */
export function refuseRebucketing(found: readonly Rebucketing[]): void {
  const [first, ...others] = found;
  if (first === undefined) return;
  const { name, fields, percentage } = first;
  const more = others.map((each) => `${each.name} ${each.percentage} %`).join(", ");
  throw HeliosError.of("FLAG_REBUCKETS", {
    name,
    fields: fields.join(", "),
    moved_percentage: percentage,
    ...(more === "" ? {} : { others: more }),
  });
}

/** A smaller share is a rounding error. */
const SMALLEST = 1e-9;

/** A variant, and its range of the variant buckets from 0 to 1. A flag without variants has one form, "on". */
interface Form {
  readonly name: string;
  readonly from: number;
  readonly to: number;
}

const ONLY: readonly Form[] = [{ name: "on", from: 0, to: 1 }];

/** If only one of the two has variants, the change is intended: both count as without variants. */
function formsOf(
  before: readonly Variant[] | undefined,
  after: readonly Variant[] | undefined,
): readonly [readonly Form[], readonly Form[]] {
  if (before === undefined || after === undefined) return [ONLY, ONLY];
  return [forms(before), forms(after)];
}

function forms(variants: readonly Variant[]): readonly Form[] {
  const weighty = variants.filter(({ weight }) => weight > 0);
  const limits = variantLimits(weighty);
  return weighty.map(({ name }, at) => ({
    name,
    from: (limits[at - 1] ?? 0) / BUCKETS,
    to: (limits[at] ?? BUCKETS) / BUCKETS,
  }));
}

/** The share of keys for which the flag is on, from 0 to 1, without regard to its condition and prerequisites. */
function shareOf(flag: FlagDefinition, nowMs: number): number {
  if (flag.strategy === "ALL_OFF") return 0;
  const share = (shareAt(flag, nowMs) ?? 100) / 100;
  // Listed entries get a variant, too, and their number is not known.
  return share === 0 && flag.whitelistFirst && flag.whitelist.length > 0 && flag.variants !== undefined ? 1 : share;
}

/** The probability that a key gets the same answer from two independent buckets. */
function sameByChance(share: number, old: readonly Form[], fresh: readonly Form[]): number {
  let same = 0;
  for (const { name, from, to } of old) {
    for (const form of fresh) if (form.name === name) same += (to - from) * (form.to - form.from);
  }
  return (1 - share) ** 2 + share ** 2 * same;
}

/** The part of the keys for which the flag is on that gets another variant, at the same variant buckets. */
function differingPart(old: readonly Form[], fresh: readonly Form[]): number {
  let same = 0;
  for (const { name, from, to } of old) {
    for (const form of fresh) {
      if (form.name === name) same += Math.max(0, Math.min(to, form.to) - Math.max(from, form.from));
    }
  }
  return same > 1 - SMALLEST ? 0 : 1 - same;
}
