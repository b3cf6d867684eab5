import {
  BucketBy,
  type Flag as FlagMessage,
  FlagSchema,
  OnStale,
  Strategy,
} from "../../../../gen/helios/v1/flag_pb.ts";
import { type FlagFields, type FlagMetadata, invalid } from "../../../core/index.ts";
import { fromDuration } from "../common.ts";
import { fromGradual, fromStrategy, fromVariant, named } from "./values.ts";

interface Field {
  /** Whether the field has another value than its default. */
  readonly isSet: (message: FlagMessage) => boolean;
  readonly read: (message: FlagMessage) => FlagFields;
}

/** The fields that a caller may set, by their paths in a mask. */
export const FIELDS: Readonly<Record<string, Field>> = {
  enabled: { isSet: ({ enabled }) => enabled, read: ({ enabled }) => ({ enabled }) },
  strategy: {
    isSet: ({ strategy }) => strategy !== Strategy.UNSPECIFIED,
    read: (message) => {
      const strategy = fromStrategy(message.strategy, "flag.strategy");
      if (strategy !== undefined) return { strategy };
      throw invalid("flag.strategy", "must name a strategy");
    },
  },
  percentage: { isSet: ({ percentage }) => percentage !== 0, read: ({ percentage }) => ({ percentage }) },
  whitelist: { isSet: ({ whitelist }) => whitelist.length > 0, read: ({ whitelist }) => ({ whitelist }) },
  whitelist_first: {
    isSet: ({ whitelistFirst }) => whitelistFirst,
    read: ({ whitelistFirst }) => ({ whitelistFirst }),
  },
  gradual: {
    isSet: ({ gradual }) => gradual !== undefined,
    read: ({ gradual }) => ({ gradual: gradual === undefined ? null : fromGradual(gradual) }),
  },
  description: { isSet: ({ description }) => description !== "", read: ({ description }) => ({ description }) },
  owner: { isSet: ({ owner }) => owner !== "", read: ({ owner }) => ({ owner }) },
  tags: { isSet: ({ tags }) => tags.length > 0, read: ({ tags }) => ({ tags }) },
  metadata: {
    isSet: ({ metadata }) => metadata !== undefined,
    read: ({ metadata }) => ({ metadata: metadata === undefined ? null : (metadata as FlagMetadata) }),
  },
  bucket_by: {
    isSet: ({ bucketBy }) => bucketBy !== BucketBy.UNSPECIFIED,
    read: ({ bucketBy }) => ({ bucketBy: named(BucketBy, bucketBy, "flag.bucket_by") ?? "SESSION_ID" }),
  },
  salt: { isSet: ({ salt }) => salt !== "", read: ({ salt }) => ({ salt }) },
  variants: {
    isSet: ({ variants }) => variants.length > 0,
    read: ({ variants }) => ({ variants: variants.map(fromVariant) }),
  },
  condition: { isSet: ({ condition }) => condition !== "", read: ({ condition }) => ({ condition }) },
  prerequisites: {
    isSet: ({ prerequisites }) => prerequisites.length > 0,
    read: ({ prerequisites }) => ({ prerequisites }),
  },
  on_stale: {
    isSet: ({ onStale }) => onStale !== OnStale.UNSPECIFIED,
    read: ({ onStale }) => ({ onStale: named(OnStale, onStale, "flag.on_stale") ?? "KEEP" }),
  },
  max_staleness: {
    isSet: ({ maxStaleness }) => maxStaleness !== undefined,
    read: ({ maxStaleness }) => ({
      maxStalenessMs: maxStaleness === undefined ? null : fromDuration(maxStaleness),
    }),
  },
};

/** The paths of the fields that a caller may set. */
export const FLAG_PATHS: readonly string[] = Object.keys(FIELDS);

/** The output-only fields. The name and the etag identify the flag and its state. */
export const SERVERS_OWN = FlagSchema.fields.filter(({ name }) => !["name", "etag", ...FLAG_PATHS].includes(name)) as {
  readonly name: string;
  readonly localName: keyof FlagMessage;
}[];

export function fieldOf(path: string): Field {
  const field = Object.hasOwn(FIELDS, path) ? FIELDS[path] : undefined;
  if (field !== undefined) return field;
  const problem = `"${path}" cannot be changed; these can: ${Object.keys(FIELDS).join(", ")}`;
  throw invalid("update_mask", problem);
}
