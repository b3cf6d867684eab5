import type { MessageInitShape } from "@bufbuild/protobuf";
import type { ServiceImpl } from "@connectrpc/connect";
import { EvaluationSchema, FlagSchema } from "../../../gen/helios/v1/flag_pb.ts";
import {
  BatchUpdateFlagsResponseSchema,
  EvaluateFlagsResponseSchema,
  ExportFlagsResponseSchema,
  FlagDifferenceSchema,
  FlagHistoryEntrySchema,
  type FlagService,
  ReloadFlagsResponseSchema,
} from "../../../gen/helios/v1/flag_service_pb.ts";
import {
  type Clock,
  encodedSize,
  type Flag,
  type FlagDifference,
  type Flags,
  HeliosError,
  isHeld,
  isOversize,
} from "../../core/index.ts";
import { byOf, fromTimestamp, fromWhole, toStruct } from "../map/common.ts";
import { fromContext, toEvaluation, toExplanation } from "../map/flag/evaluation.ts";
import { toDifference, toFlag, toHistoryEntry } from "../map/flag/flag.ts";
import { fromNewFlag } from "../map/flag/update.ts";
import { fromReloadMode, fromStrategy } from "../map/flag/values.ts";
import { whole } from "../map/message.ts";
import { mapFitting, NAMES, wireSize } from "../map/size.ts";
import { resourceFrames } from "../map/watch.ts";
import { answersFor, fromAsOf } from "./evaluations.ts";
import { missing, readBatched, readUpdate } from "./flag-updates.ts";
import { listWithUsage, usageMethods } from "./flag-usage.ts";
import { type Page, type PageRequest, pageOf, readPage } from "./paging.ts";
import { watchFrames } from "./watching.ts";
import { checkDryPages, wholeOrFirst, wholeOrPage } from "./whole.ts";

export interface FlagServiceDeps {
  readonly flags: Flags;
  readonly clock: Clock;
  readonly newId: () => string;
}

/** Implements FlagService. Requests have been validated. */
export function createFlagService({ flags, clock, newId }: FlagServiceDeps): ServiceImpl<typeof FlagService> {
  const now = (): number => clock.now();
  const frames = resourceFrames(
    FlagSchema,
    clock,
    (flag: Flag) => toFlag(flag, now()),
    (chunk, complete) => ({ flags: chunk, complete }),
  );

  return {
    async createFlag(request) {
      const { flag: message, revive, allowPast } = request;
      if (message === undefined) throw missing("flag");
      const flag = await flags.create(message.name, fromNewFlag(message), { revive, allowPast }, byOf(request));
      return { flag: toFlag(flag, now()) };
    },

    getFlag: ({ name }) => ({ flag: toFlag(flags.get(name), now()) }),

    listFlags(request) {
      if (request.includeUsage) return listWithUsage(flags, request, now);
      const { items, nextPageToken } = pageOf(flags.list(), request, {
        keyOf: ({ name }) => name,
        toMessage: (flag) => toFlag(flag, now()),
        sizeOf: flagSize,
      });
      return { flags: items, nextPageToken };
    },

    async updateFlag(request) {
      const { update, by } = readUpdate(request, flags, now());
      const { name, fields, allowPast, rebucket, allowMissing } = update;
      const flag = await flags.update(name, fields, { allowPast, rebucket, allowMissing }, by);
      return { flag: toFlag(flag, now()) };
    },

    async batchUpdateFlags(request, context) {
      const updates = request.requests.map((each, index) => readBatched(each, index, flags, now()));
      const { flags: after, revision } = await flags.updateTogether(updates, byOf(request));
      return wholeOrFirst(after, {
        context,
        desc: BatchUpdateFlagsResponseSchema,
        toMessage: (flag) => toFlag(flag, now()),
        sizeOf: flagSize,
        toResponse: ({ items }) => ({ flags: items, revision: whole(revision), flagsTotal: after.length }),
      });
    },

    async deleteFlag(request) {
      const { flag, revision } = await flags.delete(request.name, byOf(request));
      return { flag: toFlag(flag, now()), revision: whole(revision) };
    },

    async enableFlag(request) {
      const { name, enabled, allowMissing, resumeGradual: resume } = request;
      const strategy = fromStrategy(request.strategy, "strategy");
      const flag = await flags.enable(name, { strategy, enabled, allowMissing, resume }, byOf(request));
      return { flag: toFlag(flag, now()), schedulePaused: isHeld(flag.record) };
    },

    async disableFlag(request) {
      const { name, kill } = request;
      return { flag: toFlag(await flags.disable(name, { kill }, byOf(request)), now()) };
    },

    async revertFlag(request) {
      const { name, toRevision, revive, rebucket } = request;
      const flag = await flags.revert(name, fromWhole(toRevision, "to_revision"), { revive, rebucket }, byOf(request));
      return { flag: toFlag(flag, now()), schedulePaused: isHeld(flag.record) };
    },

    async pauseGradual(request) {
      return { flag: toFlag(await flags.pauseGradual(request.name, byOf(request)), now()) };
    },

    async resumeGradual(request) {
      return { flag: toFlag(await flags.resumeGradual(request.name, byOf(request)), now()) };
    },

    async setPercentage(request) {
      const { name, percentage, allowMissing } = request;
      if (percentage === undefined) throw missing("percentage");
      const flag = await flags.setPercentage(name, percentage, { allowMissing }, byOf(request));
      return { flag: toFlag(flag, now()) };
    },

    async setGradual(request) {
      const { name, initialPercentage, targetPercentage, allowPast, allowMissing } = request;
      const startTime = fromTimestamp(request.startTime, "start_time");
      const endTime = fromTimestamp(request.endTime, "end_time");
      if (targetPercentage === undefined) throw missing("target_percentage");
      if (endTime === undefined) throw missing("end_time");
      const options = { initialPercentage, targetPercentage, startTime, endTime, allowPast, allowMissing };
      return { flag: toFlag(await flags.setGradual(name, options, byOf(request)), now()) };
    },

    async addToWhitelist(request) {
      const { name, entries, setStrategy, allowMissing } = request;
      const options = { setStrategy, allowMissing };
      const { flag, strategyChanged } = await flags.addToWhitelist(name, entries, options, byOf(request));
      return { flag: toFlag(flag, now()), strategyChanged, whitelistFirst: flag.record.whitelistFirst === true };
    },

    async removeFromWhitelist(request) {
      const flag = await flags.removeFromWhitelist(request.name, request.entries, byOf(request));
      return { flag: toFlag(flag, now()) };
    },

    evaluateFlag(request) {
      const { name, context } = request;
      const [asked, asOf] = [fromContext(context), fromAsOf(request)];
      // Without waiting, because the state of now is in memory.
      if (asOf === undefined) return { evaluation: toEvaluation(flags.evaluate(name, asked)) };
      return flags.evaluateAsOf(name, asked, asOf).then((evaluation) => ({ evaluation: toEvaluation(evaluation) }));
    },

    async evaluateFlags(request, context) {
      const [whom, asOf] = [fromContext(request.context), fromAsOf(request)];
      const { items: answers, revision } = await answersFor(flags, request, whom, asOf, context.signal);
      return wholeOrPage(answers, request, {
        context,
        desc: EvaluateFlagsResponseSchema,
        keyOf: ({ key }) => key,
        toMessage: ({ evaluation }) => toEvaluation(evaluation),
        sizeOf: (message) => wireSize(EvaluationSchema, message),
        toResponse: ({ items, nextPageToken }) => ({ evaluations: items, revision: whole(revision), nextPageToken }),
      });
    },

    async explainFlag(request) {
      const { name, context } = request;
      return toExplanation(await flags.explain(name, fromContext(context), fromAsOf(request)));
    },

    async reloadFlags(request, context) {
      checkDryPages(request);
      const { dryRun, rebucket } = request;
      const options = { mode: fromReloadMode(request.mode), dryRun, rebucket };
      const { differences, passedOver, stillKilled, revision } = await flags.reload(options, byOf(request));
      const paged = {
        context,
        desc: ReloadFlagsResponseSchema,
        keyOf: ({ name }: FlagDifference) => name,
        toMessage: (one: FlagDifference) => toDifference(one, now()),
        sizeOf: (message: object) => wireSize(FlagDifferenceSchema, message),
        toResponse: ({ items, nextPageToken }: Page<MessageInitShape<typeof FlagDifferenceSchema>>) => ({
          differences: items,
          passedOver: mapFitting(passedOver, NAMES, NAMES_BYTES),
          stillKilled: mapFitting(stillKilled, NAMES, NAMES_BYTES),
          differencesTotal: differences.length,
          passedOverTotal: passedOver.length,
          stillKilledTotal: stillKilled.length,
          revision: whole(revision),
          nextPageToken,
        }),
      };
      return request.dryRun ? wholeOrPage(differences, request, paged) : wholeOrFirst(differences, paged);
    },

    exportFlags(request, context) {
      const revision = whole(flags.export([]).revision);
      const leftOut = leftOutOf(flags.list()).map(({ name }) => name);
      return wholeOrPage(flags.list(), request, {
        context,
        desc: ExportFlagsResponseSchema,
        keyOf: ({ name }) => name,
        toMessage: (flag) => (isOversize(flag) ? {} : flags.export([flag]).flags),
        sizeOf: encodedSize,
        toResponse: ({ items, nextPageToken }) => ({
          flags: toStruct(Object.assign({}, ...items)),
          revision,
          nextPageToken,
          leftOut: mapFitting(leftOut, NAMES, NAMES_BYTES),
        }),
      });
    },

    async listFlagHistory(request) {
      const read = (limit: number, after: string | undefined) =>
        flags.history(request.name, { limit, beforeRevision: revisionIn(request, after) });
      const { items, nextPageToken } = await readPage(read, request, {
        keyOf: ({ revision }) => String(revision),
        toMessage: (change) => toHistoryEntry(change, now()),
        sizeOf: (entry) => wireSize(FlagHistoryEntrySchema, entry),
      });
      return { entries: items, nextPageToken };
    },

    ...usageMethods(flags),

    watchFlags: (request, context) => watchFrames(flags.hub, request, context, { clock, newId }, frames),
  };
}

/** Returns the flags that no page of an export contains. Computed once for each state of the flags. */
function leftOutOf(flags: readonly Flag[]): readonly Flag[] {
  const found = LEFT_OUT.get(flags) ?? flags.filter(isOversize);
  LEFT_OUT.set(flags, found);
  return found;
}

const LEFT_OUT = new WeakMap<readonly Flag[], readonly Flag[]>();

/**
 * Size of a list of names next to other content in an answer, such as `left_out`; further names are omitted.
 * @limit bytes
 */
const NAMES_BYTES = 256 * 1024;

const flagSize = (flag: object): number => wireSize(FlagSchema, flag);

/** The revision of the last change of the page before. PAGE_TOKEN_INVALID. */
function revisionIn({ pageToken }: PageRequest, key: string | undefined): number | undefined {
  if (key === undefined) return undefined;
  if (!/^\d{1,15}$/.test(key)) throw HeliosError.of("PAGE_TOKEN_INVALID", { page_token: pageToken });
  return Number(key);
}
