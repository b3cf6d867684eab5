import { equals } from "@bufbuild/protobuf";
import type { FieldMask } from "@bufbuild/protobuf/wkt";
import { type Flag as FlagMessage, FlagSchema } from "../../../../gen/helios/v1/flag_pb.ts";
import { type Flag, type FlagFields, HeliosError } from "../../../core/index.ts";
import { make } from "../message.ts";
import { FIELDS, FLAG_PATHS, fieldOf, SERVERS_OWN } from "./fields.ts";
import { toFlag, toFlagAlone } from "./flag.ts";

/**
 * What a caller may set, of a message that tells it all: in a new flag, what is not set has its default. ARGUMENT_INVALID for
 * one that was read and has something left out.
 */
export function fromNewFlag(message: FlagMessage): FlagFields {
  if (message.abridged) throw leftOut(message);
  return fieldsSet(message);
}

/**
 * What an update sets: the fields that the mask names; without one, those that the message sets to something else than
 * their default. What the server alone sets may be named where it is as `stored` tells it, which is asked once at most.
 * ARGUMENT_INVALID for a path that cannot be changed, and for what was left out when the flag was read.
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
  let told: FlagMessage | undefined;
  const tell = (): FlagMessage => {
    if (told !== undefined) return told;
    const flag = stored();
    // A program may be large, and is seldom asked for.
    const toMessage = paths.has("condition_program") ? toFlag : toFlagAlone;
    told = flag === undefined ? make(FlagSchema, {}) : toMessage(flag, nowMs);
    return told;
  };
  const changed = [...paths].filter((path) => !isAsStored(path, message, tell));
  return Object.fromEntries(changed.flatMap((path) => Object.entries(fieldOf(path).read(message))));
}

/** Of what the server alone sets: whoever sends a flag back whole changes nothing of it. */
function isAsStored(path: string, message: FlagMessage, stored: () => FlagMessage): boolean {
  // The share moves by itself.
  if (path === "current_percentage") return true;
  const field = SERVERS_OWN.find(({ name }) => name === path);
  if (field === undefined) return false;
  const alone = (flag: FlagMessage) => make(FlagSchema, { [field.localName]: flag[field.localName] });
  return equals(FlagSchema, alone(message), alone(stored()));
}

function leftOut({ name }: FlagMessage): HeliosError {
  const problem = `says that the whitelist of ${name} and the values of its variants were left out; they cannot be set so`;
  return HeliosError.of("ARGUMENT_INVALID", { field: "flag.abridged", problem });
}

/**
 * Of a flag that was read and is sent back whole, without a mask: the paths that it clears and an update without a mask
 * would leave as they are in `present`.
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
