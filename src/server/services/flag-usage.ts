import type { MessageInitShape } from "@bufbuild/protobuf";
import type { ServiceImpl } from "@connectrpc/connect";
import { FlagSchema } from "../../../gen/helios/v1/flag_pb.ts";
import { type FlagService, FlagUsageSchema, type ListFlagsRequest } from "../../../gen/helios/v1/flag_service_pb.ts";
import { type Flags, pauseForOthers } from "../../core/index.ts";
import { fromDuration } from "../map/common.ts";
import { toFlag } from "../map/flag/flag.ts";
import { checkReportSize, fromUsageReport, toFlagUsage } from "../map/flag/usage.ts";
import { wireSize } from "../map/size.ts";
import { firstAfter, readPage } from "./paging.ts";

/** The part of FlagService that is about usage. */
export function usageMethods(flags: Flags): Pick<ServiceImpl<typeof FlagService>, "reportUsage" | "getFlagUsage"> {
  return {
    async reportUsage(request) {
      checkReportSize(request);
      const { clientId, seq, reports, reporterId } = request;
      const reported = await flags.reportUsage(clientId, seq, reports.map(fromUsageReport), reporterId);
      return { duplicate: reported.duplicate, unknownNames: [...reported.unknownNames] };
    },

    getFlagUsage: ({ name, window }) => ({ usage: toFlagUsage(flags.usage(name, fromDuration(window))) }),
  };
}

/** Lists flags with their usage, which is read from the disk, and so in steps between which other requests are served. */
export async function listWithUsage(
  flags: Flags,
  request: ListFlagsRequest,
  now: () => number,
): Promise<MessageInitShape<(typeof FlagService.method.listFlags)["output"]>> {
  const read = async (count: number, after: string | undefined) => {
    await pauseForOthers();
    const all = flags.list();
    const start = after === undefined ? 0 : firstAfter(all, after, ({ name }) => name);
    return all.slice(start, start + count);
  };
  const { items, nextPageToken } = await readPage(read, request, {
    keyOf: ({ name }) => name,
    toMessage: (flag) => ({ flag: toFlag(flag, now()), usage: toFlagUsage(flags.usage(flag.name)) }),
    sizeOf: ({ flag, usage }) => wireSize(FlagSchema, flag) + wireSize(FlagUsageSchema, usage),
  });
  return { flags: items.map(({ flag }) => flag), usages: items.map(({ usage }) => usage), nextPageToken };
}
