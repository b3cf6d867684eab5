import { type DescMessage, getOption, type Message } from "@bufbuild/protobuf";
import {
  message as messageOption,
  oneof as oneofOption,
} from "@bufbuild/protovalidate/gen/buf/validate/validate_pb.js";
import { type Accepts, all, type Checks } from "./checks.ts";
import { compileExpressions } from "./expressions.ts";
import { compileField, type Values } from "./fields.ts";

/**
 * Returns a function that is true only if protovalidate would accept the message for certain. False means that protovalidate
 * must be asked. Undefined if the rules of the type, or of a type inside, cannot be compiled.
 */
export function acceptanceOf(desc: DescMessage): Accepts<Message> | undefined {
  if (acceptances.has(desc)) return acceptances.get(desc);
  const checks = compileMessage(desc, new Map());
  const accepts = checks && (all(checks) as Accepts<never> as Accepts<Message>);
  acceptances.set(desc, accepts);
  return accepts;
}

const acceptances = new Map<DescMessage, Accepts<Message> | undefined>();

/** `begun` has the checks of the types so far, because a type may contain itself. */
function compileMessage(desc: DescMessage, begun: Map<DescMessage, Accepts<Values>[]>): Checks<Values> {
  const before = begun.get(desc);
  if (before !== undefined) return before;
  const checks: Accepts<Values>[] = [];
  begun.set(desc, checks);
  // The messages of protobuf itself have no rules.
  if (desc.typeName.startsWith("google.protobuf.")) return checks;
  const { cel, celExpression, oneof, $unknown } = getOption(desc, messageOption);
  const expressions = compileExpressions(cel);
  if (expressions === undefined || celExpression.length + oneof.length > 0 || $unknown !== undefined) return undefined;
  for (const { localName } of desc.oneofs.filter((each) => getOption(each, oneofOption).required)) {
    checks.push((values) => (values[localName] as { readonly case?: string }).case !== undefined);
  }
  const nested = (inner: DescMessage): Checks => {
    const isNew = !begun.has(inner);
    const found = compileMessage(inner, begun);
    if (found === undefined || (isNew && found.length === 0)) return found as Checks;
    return [all(found) as Accepts<never> as Accepts];
  };
  for (const field of desc.fields) {
    const found = compileField(field, nested);
    if (found === undefined) return undefined;
    checks.push(...found);
  }
  checks.push(...(expressions as readonly Accepts<never>[] as readonly Accepts<Values>[]));
  return checks;
}
