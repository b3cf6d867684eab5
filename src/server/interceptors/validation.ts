import { create, type DescMessage, type DescService, type Message, toBinary } from "@bufbuild/protobuf";
import { pathToString } from "@bufbuild/protobuf/reflect";
import { createValidator, violationsToProto } from "@bufbuild/protovalidate";
import { type Violation, ViolationSchema } from "@bufbuild/protovalidate/gen/buf/validate/validate_pb.js";
import type { ConnectError } from "@connectrpc/connect";
import {
  GetModuleRequestSchema,
  type InvokeModuleRequest,
  InvokeModuleRequestSchema,
} from "../../../gen/helios/v1/module_service_pb.ts";
import { invalid } from "../../core/index.ts";
import { fromHeliosError, MAX_ERROR_VIOLATIONS_BYTES } from "../errors.ts";
import { valuesCheckOf } from "../map/values.ts";
import { acceptanceOf } from "./accept/accept.ts";

/** All servers of a process share it, because it keeps the compiled rules. */
const validator = createValidator();

/**
 * Compiles the rules of all message types for protovalidate, one type in each turn of the event loop. Its first violation
 * would take a hundred times as long as a later one. The start does not wait for this, because requests without a violation
 * do not need protovalidate. Types with few fields come first, so that no turn is long.
 */
export function warm(services: readonly DescService[]): void {
  const inputs = services
    .flatMap(({ methods }) => methods.map(({ input }) => input))
    .filter((input) => !warmed.has(input));
  const cold = [...new Set(inputs)].sort((one, other) => one.fields.length - other.fields.length);
  for (const input of cold) warmed.add(input);
  const next = (): void => {
    const input = cold.shift();
    if (input === undefined) return;
    validator.validate(input, create(input));
    setImmediate(next).unref();
  };
  setImmediate(next).unref();
}

/** Types whose turn has come or will come. */
const warmed = new Set<DescMessage>();

/** Checks each message of a stream. */
export async function* checked<M extends Message>(schema: DescMessage, messages: AsyncIterable<M>): AsyncGenerator<M> {
  const check = checkOf(schema);
  for await (const message of messages) {
    check(message);
    yield message;
  }
}

type Check = (message: Message) => void;

/**
 * Returns the function that checks a request of that type. It throws ARGUMENT_INVALID with all violations, or with the first
 * number, time or duration out of range.
 */
export function checkOf(schema: DescMessage): Check {
  const known = checks.get(schema);
  if (known !== undefined) return known;
  const accepts = acceptanceOf(schema);
  const checkInside = valuesCheckOf(schema);
  const lacksName = schema.typeName === InvokeModuleRequestSchema.typeName ? callsNothing : undefined;
  const check: Check = (message) => {
    const isNameless = lacksName?.(message) === true;
    if (isNameless || accepts?.(message) !== true) validate(schema, message, isNameless);
    checkInside?.(message);
  };
  checks.set(schema, check);
  return check;
}

const checks = new Map<DescMessage, Check>();

function validate(schema: DescMessage, message: Message, lacksName = false): void {
  const named = lacksName ? violationsOf(GetModuleRequestSchema, create(GetModuleRequestSchema)) : [];
  const violations = [...named, ...violationsOf(schema, message)];
  if (violations.length > 0) throw violationError(violations);
}

/**
 * Whether a call names neither a module nor a trial. A rule in CEL would cost every call more than this comparison. The
 * violation is that of the other requests which must name a module.
 */
const callsNothing = ((request: InvokeModuleRequest) => request.name === "" && request.trial === "") as (
  message: Message,
) => boolean;

type Violations = Parameters<typeof violationsToProto>[0];

function violationsOf(schema: DescMessage, message: Message): Violations {
  const result = validator.validate(schema, message);
  if (result.kind === "error") throw result.error;
  return result.kind === "invalid" ? result.violations : [];
}

function violationError(violations: Violations): ConnectError {
  const [first] = violations;
  const field = first === undefined ? "" : pathToString(first.field);
  const more = violations.length > 1 ? ` (and ${violations.length - 1} more)` : "";
  const problem = `${first?.message ?? "is invalid"}${more}`;
  const error = fromHeliosError(invalid(field || "(request)", problem));
  const [detail, desc] = violationsToProto(violations.slice(0, MAX_VIOLATIONS));
  const sizeOf = (violation: Violation): number => toBinary(ViolationSchema, violation).length + VIOLATION_HEAD;
  let left = MAX_ERROR_VIOLATIONS_BYTES;
  // The key of a map may make a violation as long as the request.
  const fitting = detail.violations.filter((violation) => {
    const size = sizeOf(violation);
    if (size > left) return false;
    left -= size;
    return true;
  });
  error.details.push({ desc, value: { ...detail, violations: fitting } });
  return error;
}

/** Violations that an error's text lists; it also says how many there are. @limit violations */
const MAX_VIOLATIONS = 8;
/** Bytes of a tag and a length. */
const VIOLATION_HEAD = 3;
