import { fromBinary, toBinary } from "@bufbuild/protobuf";
import { type Flag as FlagMessage, FlagSchema } from "../../../gen/helios/v1/flag_pb.ts";
import { parseFlagsFile } from "../../../src/core/flags/file/parse.ts";
import { compileCondition } from "../../../src/server/cel/condition.ts";
import { toFlag } from "../../../src/server/map/flag/flag.ts";

/** Returns flags in the format of the flags file as a client receives them. */
export function received(flags: Readonly<Record<string, object>>, revision = 1): FlagMessage[] {
  const file = parseFlagsFile(JSON.stringify(flags), "flags.json", compileCondition);
  return file.flags.map(({ name, definition }) => {
    const stored = {
      name,
      record: definition,
      revision,
      etag: `${name}-${revision}`,
      size: 0,
      createTime: 0,
      updateTime: 0,
    };
    return fromBinary(FlagSchema, toBinary(FlagSchema, toFlag(stored, 0)));
  });
}
