import { type DescMessage, fromBinary, type Message } from "@bufbuild/protobuf";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { SERVICES } from "../../../../src/server/contract.ts";
import { acceptanceOf } from "../../../../src/server/interceptors/accept/accept.ts";
import { safePattern } from "../../../../src/server/interceptors/accept/pattern.ts";
import { checkValues } from "../../../../src/server/map/values.ts";
import { times } from "../../../effort.ts";
import { arbitraryMessage } from "../../../wire/arbitrary.ts";
import { requests, validator } from "./requests.ts";

const INPUTS = new Map(SERVICES.flatMap(({ methods }) => methods.map(({ input }) => [input.typeName, input] as const)));

const isValid = (desc: DescMessage, message: Message): boolean => validator.validate(desc, message).kind === "valid";

/** Whether the times and durations are in range, by the check that follows the validation. */
function isInRange(desc: DescMessage, message: Message): boolean {
  try {
    checkValues(desc, message);
    return true;
  } catch {
    return false;
  }
}

describe("the acceptance of a request", () => {
  it.each([...INPUTS])("of %s agrees with protovalidate", (_, desc) => {
    const accepts = acceptanceOf(desc);
    if (accepts === undefined) throw new Error("the rules of the type cannot be compiled");
    const counts = { accepted: 0, refused: 0 };
    const property = fc.property(requests(desc), (message) => {
      const [accepted, valid] = [accepts(message), isValid(desc, message)];
      counts[accepted ? "accepted" : "refused"]++;
      if (accepted) expect(valid).toBe(true);
      else expect(valid && isInRange(desc, message)).toBe(false);
    });
    fc.assert(property, { numRuns: times(80, 2000) });
    expect(counts.accepted).toBeGreaterThan(8);
  });

  it.each([...INPUTS])("of %s is never given to a random message that protovalidate refuses", (_, desc) => {
    const accepts = acceptanceOf(desc);
    const property = fc.property(arbitraryMessage(desc), (bytes) => {
      const message = fromBinary(desc, bytes);
      if (accepts?.(message)) expect(isValid(desc, message)).toBe(true);
    });
    fc.assert(property, { numRuns: times(15, 1000) });
  });
});

describe("a pattern", () => {
  it.each(["^[A-Za-z0-9][A-Za-z0-9_.:-]*$", "^([0-9a-f]{64})?$", "^([A-Za-z0-9][A-Za-z0-9_.-]*)?$", "^a+b{3}$"])(
    "is compiled if it means the same in both languages: %s",
    (source) => expect(safePattern(source)).toEqual(new RegExp(source)),
  );

  it.each([
    "a",
    "^a",
    "^(?i)a$",
    "^(?:a)$",
    "^\\d$",
    "^.$",
    "^[^a]$",
    "^(a*)*$",
    "^a*b*$",
    "^(a+)+$",
    "^a**$",
    "^é$",
    "^(a$",
  ])("is left to protovalidate otherwise: %s", (source) => expect(safePattern(source)).toBeUndefined());
});
