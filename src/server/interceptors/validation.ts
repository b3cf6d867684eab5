import { create, type DescMessage, type DescService, type Message, toBinary } from "@bufbuild/protobuf";
import { pathToString } from "@bufbuild/protobuf/reflect";
import { createValidator, violationsToProto } from "@bufbuild/protovalidate";
import { type Violation, ViolationSchema } from "@bufbuild/protovalidate/gen/buf/validate/validate_pb.js";
import type { ConnectError, Interceptor } from "@connectrpc/connect";
import { HeliosError } from "../../core/index.ts";
import { fromHeliosError, MAX_ERROR_VIOLATIONS_BYTES } from "../errors.ts";
import { checkValues } from "../map/values.ts";

/** All servers of a process share it, because it keeps the compiled rules. */
const validator = createValidator();

/**
 * Refuses requests whose fields violate a rule of the contract, or whose free-form JSON has numbers that cannot be stored.
 */
export function createValidation(services: readonly DescService[]): Interceptor {
  warm(services);
  return (next) => async (request) => {
    const { input } = request.method;
    if (!request.stream) {
      check(input, request.message);
      return next(request);
    }
    return next({ ...request, message: checked(input, request.message) });
  };
}

/**
 * Compiles the rules of all message types. The first validation of a type takes a thousand times as long as a later one.
 */
function warm(services: readonly DescService[]): void {
  for (const { input } of services.flatMap((service) => service.methods)) validator.validate(input, create(input));
}

async function* checked<M extends Message>(schema: DescMessage, messages: AsyncIterable<M>): AsyncGenerator<M> {
  for await (const message of messages) {
    check(schema, message);
    yield message;
  }
}

function check(schema: DescMessage, message: Message): void {
  const result = validator.validate(schema, message);
  if (result.kind === "error") throw result.error;
  if (result.kind === "invalid") throw violationError(result.violations);
  checkValues(schema, message);
}

function violationError(violations: Parameters<typeof violationsToProto>[0]): ConnectError {
  const [first] = violations;
  const field = first === undefined ? "" : pathToString(first.field);
  const more = violations.length > 1 ? ` (and ${violations.length - 1} more)` : "";
  const problem = `${first?.message ?? "is invalid"}${more}`;
  const error = fromHeliosError(HeliosError.of("ARGUMENT_INVALID", { field: field || "(request)", problem }));
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
