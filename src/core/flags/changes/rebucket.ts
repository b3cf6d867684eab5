import { BUCKETS } from "../../../kernel/flags/bucket.ts";
import type { Variant } from "../../../kernel/flags/rule.ts";
import { shareAt } from "../../../kernel/flags/share.ts";
import { variantLimits } from "../../../kernel/flags/variants.ts";
import { HeliosError } from "../../errors/error.ts";
import type { FlagDefinition } from "../record.ts";

/** What a change of a flag's bucketing moves. */
export interface Rebucketing {
  readonly name: string;
  /** The fields that move keys, in the contract's names. */
  readonly fields: readonly string[];
  /** How many of 100 keys get another answer, with at most three decimals. */
  readonly percentage: number;
}

/**
 * What a change of salt, bucket_by or variants moves in a flag that is enabled before and after; undefined: nobody. It is
 * the share of keys whose answer differs by that alone, over the share that the flag has afterwards: a change of the
 * share itself, of the strategy or of whether there are variants at all says what it does. Keys of another salt or field
 * are independent of those of the present one.
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
  // Where the one or the other gives everybody the same, no key had, or will have, a place to move from.
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

/** Throws FLAG_REBUCKETS where there is something that moves. */
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

/** Below it a share is what is left of sums of doubles. */
const SMALLEST = 1e-9;

/** A form that a flag has for those for whom it is on, with its part of them. */
interface Form {
  readonly name: string;
  readonly from: number;
  readonly to: number;
}

const ONLY: readonly Form[] = [{ name: "on", from: 0, to: 1 }];

/** Flags without variants have one form; where only one of two has variants, who gets which is no move. */
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

/** Of 1: for whom the flag is on, but for its condition and prerequisites. */
function shareOf(flag: FlagDefinition, nowMs: number): number {
  if (flag.strategy === "ALL_OFF") return 0;
  const share = (shareAt(flag, nowMs) ?? 100) / 100;
  // Those who are listed have a variant, too, and how many they are is not known.
  return share === 0 && flag.whitelistFirst && flag.whitelist.length > 0 && flag.variants !== undefined ? 1 : share;
}

/** The chance that two independent places of a key give it the same answer. */
function sameByChance(share: number, old: readonly Form[], fresh: readonly Form[]): number {
  let same = 0;
  for (const { name, from, to } of old) {
    for (const form of fresh) if (form.name === name) same += (to - from) * (form.to - form.from);
  }
  return (1 - share) ** 2 + share ** 2 * same;
}

/** The part of those for whom a flag is on that has another form, at the same variant buckets. */
function differingPart(old: readonly Form[], fresh: readonly Form[]): number {
  let same = 0;
  for (const { name, from, to } of old) {
    for (const form of fresh) {
      if (form.name === name) same += Math.max(0, Math.min(to, form.to) - Math.max(from, form.from));
    }
  }
  return same > 1 - SMALLEST ? 0 : 1 - same;
}
