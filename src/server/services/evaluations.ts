import type { Timestamp } from "@bufbuild/protobuf/wkt";
import type { AsOf, Evaluation, EvaluationContext, Flags } from "../../core/index.ts";
import { fromTimestamp, fromWhole } from "../map/common.ts";
import { type PageRequest, pageWindow } from "./paging.ts";

/** Answers in order, with ascending keys. */
export interface Answers {
  readonly items: readonly { readonly key: string; readonly evaluation: Evaluation }[];
  readonly revision: number;
}

/**
 * Returns the answers for a request. For a page of the current state, only the answers of the page and one more, so that a
 * page costs less than the whole list. If all flags are requested, the keys are names; otherwise, they are positions in the
 * request.
 */
export async function answersFor(
  flags: Flags,
  request: PageRequest & { readonly names: readonly string[] },
  context: EvaluationContext,
  asOf: number | AsOf | undefined,
  signal: AbortSignal,
): Promise<Answers> {
  const { names, pageSize, pageToken } = request;
  const isPage = pageSize > 0 || pageToken !== "";
  if (asOf === undefined && isPage) {
    const places = names.length === 0 ? pageWindow(flags.list(), request, byName) : placesOf(names, request);
    const asked = places.map(({ name }) => name);
    const { evaluations, revision } = await flags.evaluateManyInSlices(asked, context, signal);
    const keyOf = (evaluation: Evaluation, at: number): string => keyAt(places[at]) ?? evaluation.name;
    return { items: evaluations.map((evaluation, at) => ({ evaluation, key: keyOf(evaluation, at) })), revision };
  }
  const asked = names.length === 0 ? "all" : names;
  const { evaluations, revision } =
    asOf === undefined
      ? await flags.evaluateManyInSlices(asked, context, signal)
      : await flags.evaluateManyAsOf(asked, context, asOf, signal);
  const keyOf = ({ name }: Evaluation, at: number): string => (asked === "all" ? name : placeKey(at));
  return { items: evaluations.map((evaluation, at) => ({ evaluation, key: keyOf(evaluation, at) })), revision };
}

interface Place {
  readonly name: string;
  readonly key?: string;
}

const byName = ({ name }: Place): string => name;
const keyAt = (place: Place | undefined): string | undefined => place?.key;
const placeKey = (at: number): string => String(at).padStart(6, "0");

function placesOf(names: readonly string[], request: PageRequest): readonly Place[] {
  const places = names.map((name, at) => ({ name, key: placeKey(at) }));
  return pageWindow(places, request, ({ key }) => key);
}

/** Undefined means "now". Revision 0 stands for no revision. */
export function fromAsOf(request: {
  readonly asOfRevision: bigint;
  readonly atTime?: Timestamp | undefined;
}): AsOf | undefined {
  const { asOfRevision, atTime } = request;
  const time = fromTimestamp(atTime, "at_time");
  if (asOfRevision === 0n && time === undefined) return undefined;
  return { revision: asOfRevision === 0n ? undefined : fromWhole(asOfRevision, "as_of_revision"), time };
}
