import { equals } from "@bufbuild/protobuf";
import type { FieldMask } from "@bufbuild/protobuf/wkt";
import { type Flag as FlagMessage, FlagSchema } from "../../../../gen/helios/v1/flag_pb.ts";
import { type Flag, type FlagFields, type HeliosError, invalid } from "../../../core/index.ts";
import { make } from "../message.ts";
import { FIELDS, FLAG_PATHS, fieldOf, SERVERS_OWN } from "./fields.ts";
import { toFlag, toFlagAlone } from "./flag.ts";

/**
 * Returns the fields of a new flag. Fields that are not set get their defaults. Throws ARGUMENT_INVALID if the message was
 * read from an answer that left something out.
 */
export function fromNewFlag(message: FlagMessage): FlagFields {
  if (message.abridged) throw leftOut(message);
  return fieldsSet(message);
}

/**
 * Returns the fields that an update sets: those in the mask or, without a mask, those that do not have their default value.
 * The mask may also name output-only fields if they are as in `stored`, which is called at most once. Throws
 * ARGUMENT_INVALID for a path that cannot be changed, and for a message that was read from an answer that left something
 * out.
 */
export function fromUpdate(
  message: FlagMessage,
  mask: FieldMask | undefined,
  stored: () => Flag | undefined,
  nowMs: number,
): FlagFields {
  const fields = isEmpty(mask) ? fieldsSet(message) : fieldsNamed(message, new Set(mask.paths), stored, nowMs);
  if (message.abridged && ("whitelist" in fields || "variants" in fields)) throw leftOut(message);
  return fields;
}

function isEmpty(mask: FieldMask | undefined): mask is undefined {
  return mask === undefined || mask.paths.length === 0;
}

function fieldsSet(message: FlagMessage): FlagFields {
  const set = Object.values(FIELDS).filter(({ isSet }) => isSet(message));
  return Object.fromEntries(set.flatMap(({ read }) => Object.entries(read(message))));
}

function fieldsNamed(
  message: FlagMessage,
  paths: ReadonlySet<string>,
  stored: () => Flag | undefined,
  nowMs: number,
): FlagFields {
  let shown: FlagMessage | undefined;
  const show = (): FlagMessage => {
    if (shown !== undefined) return shown;
    const flag = stored();
    // A program may be large, and is rarely needed.
    const toMessage = paths.has("condition_program") ? toFlag : toFlagAlone;
    shown = flag === undefined ? make(FlagSchema, {}) : toMessage(flag, nowMs);
    return shown;
  };
  const changed = [...paths].filter((path) => !isAsStored(path, message, show));
  return Object.fromEntries(changed.flatMap((path) => Object.entries(fieldOf(path).read(message))));
}

/** Whether an output-only field is unchanged, as in a flag that was read and is sent back complete. */
function isAsStored(path: string, message: FlagMessage, stored: () => FlagMessage): boolean {
  // The current percentage changes with time.
  if (path === "current_percentage") return true;
  const field = SERVERS_OWN.find(({ name }) => name === path);
  if (field === undefined) return false;
  const alone = (flag: FlagMessage) => make(FlagSchema, { [field.localName]: flag[field.localName] });
  return equals(FlagSchema, alone(message), alone(stored()));
}

function leftOut({ name }: FlagMessage): HeliosError {
  const problem = `is true: the whitelist of ${name} and the values of its variants were left out of this message, so it cannot be used for an update`;
  return invalid("flag.abridged", problem);
}

/**
 * For a flag that was read and is sent back complete, without a mask: returns the paths that the message clears. Without a
 * mask they would keep their values from `present`.
 */
export function clearedUnsaid(
  message: FlagMessage,
  mask: FieldMask | undefined,
  present: Flag,
  nowMs: number,
): string[] {
  const wasRead = message.revision !== 0n || message.createTime !== undefined || message.updateTime !== undefined;
  if (!wasRead || !isEmpty(mask)) return [];
  const stored = toFlagAlone(present, nowMs);
  return FLAG_PATHS.filter((path) => !fieldOf(path).isSet(message) && fieldOf(path).isSet(stored));
}
