import type { DescField, DescMessage, Message } from "@bufbuild/protobuf";
import { WireType } from "@bufbuild/protobuf/wire";
import { AcquirePermitResponseSchema } from "../../../gen/helios/v1/breaker_service_pb.ts";
import { EvaluationSchema, FlagSchema } from "../../../gen/helios/v1/flag_pb.ts";
import { SwapReportSchema } from "../../../gen/helios/v1/module_pb.ts";
import {
  ModuleSwapResultSchema,
  RollbackModuleResponseSchema,
  SwapModuleResponseSchema,
  SwapModulesResponseSchema,
} from "../../../gen/helios/v1/module_service_pb.ts";
import { WaitForRevisionResponseSchema } from "../../../gen/helios/v1/status_service_pb.ts";
import { TestRunSchema } from "../../../gen/helios/v1/test_pb.ts";

// proto3 omits a bool that is false from a message, and tools then show nothing where the answer is "no". The contract
// cannot add presence to these fields, because that would change the generated code. So false is written explicitly, which
// every proto3 reader accepts. Server reflection shows these fields with presence, so that tools which use the schema show
// them.

/** The fields whose value false is an answer. */
export const ANSWERS: ReadonlySet<DescField> = new Set([
  EvaluationSchema.field.enabled,
  FlagSchema.field.enabled,
  AcquirePermitResponseSchema.field.allowed,
  SwapModuleResponseSchema.field.swapped,
  SwapModulesResponseSchema.field.swapped,
  ModuleSwapResultSchema.field.swapped,
  RollbackModuleResponseSchema.field.swapped,
  SwapReportSchema.field.swapped,
  TestRunSchema.field.passed,
  WaitForRevisionResponseSchema.field.reached,
]);

type Write = (message: Message) => void;

const known = new Map<DescMessage, Write | undefined>();

/**
 * Returns the function that writes the value false explicitly for the fields in `ANSWERS`, of a message and of its nested
 * messages. Undefined if it can have none.
 */
export function answersWriter(desc: DescMessage): Write | undefined {
  if (known.has(desc)) return known.get(desc);
  // Set before the fields are visited, because they may lead back to this message.
  known.set(desc, undefined);
  const writes = desc.fields.flatMap((field): Write[] => {
    if (ANSWERS.has(field)) return [(message) => writeOut(message, field)];
    const inner = field.message && answersWriter(field.message);
    if (inner === undefined || field.fieldKind === "map") return [];
    return [(message) => forEachIn(message, field, inner)];
  });
  if (writes.length === 0) return undefined;
  const write: Write = (message) => {
    for (const each of writes) each(message);
  };
  known.set(desc, write);
  return write;
}

function writeOut(message: Message, { localName, number }: DescField): void {
  if ((message as unknown as Readonly<Record<string, unknown>>)[localName] !== false) return;
  const others = message.$unknown ?? [];
  // A message may be sent to several readers.
  if (others.some(({ no }) => no === number)) return;
  message.$unknown = [...others, { no: number, wireType: WireType.Varint, data: FALSE }];
}

const FALSE = Uint8Array.of(0);

function forEachIn(message: Message, { localName, oneof, fieldKind }: DescField, write: Write): void {
  const values = message as unknown as Readonly<Record<string, unknown>>;
  if (oneof !== undefined) {
    const chosen = values[oneof.localName] as { readonly case?: string; readonly value?: Message };
    if (chosen.case === localName && chosen.value !== undefined) write(chosen.value);
  } else if (fieldKind === "list") {
    for (const each of values[localName] as readonly Message[]) write(each);
  } else {
    const value = values[localName] as Message | undefined;
    if (value !== undefined) write(value);
  }
}
