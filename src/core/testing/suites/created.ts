import { HeliosError, messageOf } from "../../errors/error.ts";
import type { TestCase } from "../record.ts";
import {
  type Expectation,
  type ExpectationCompiler,
  expectationOf,
  type Observed,
  type ObservedError,
} from "./expectations.ts";
import { formatValue, type Test, TestFailure } from "./suite.ts";

/** The tests of a created suite, ready to run. SUITE_INVALID. */
export function testsOfCases(
  suite: string,
  cases: readonly TestCase[],
  compile: ExpectationCompiler | undefined,
): Test[] {
  return cases.map((each) => {
    const { name, description, required, timeoutMs, method, input } = each;
    const holds = expectationOf(suite, name, each.expect, compile);
    return {
      name,
      description,
      required,
      timeoutMs,
      method,
      methodOptional: !required,
      async run(instance) {
        const start = instance.now();
        const answer = await instance.call(method, input).then(
          (output) => ({ output, error: null }),
          (thrown: unknown) => ({ output: null, error: methodError(thrown) }),
        );
        const durationMs = instance.now() - start;
        const { output, error } = answer;
        const seen = error === null ? `output ${formatValue(output)}` : `error ${formatValue(error)}`;
        if (!judge(holds, { ...answer, durationMs }, seen)) {
          throw new TestFailure(`${each.expect || "it failed"}: ${seen}, after ${Math.round(durationMs)} ms`);
        }
        return output;
      },
    };
  });
}

/**
 * Evaluates an expectation. If it cannot be evaluated on the error of the method, the test has failed: it expected an
 * output. If it cannot be evaluated on an output, the expectation itself is wrong.
 */
function judge(holds: Expectation, observed: Observed, seen: string): boolean {
  try {
    return holds(observed);
  } catch (error) {
    const message = `${messageOf(error)}: ${seen}`;
    throw observed.error === null ? new Error(message) : new TestFailure(message);
  }
}

/** The error that the method threw. Any other error is not the method's, and is thrown again. */
function methodError(thrown: unknown): ObservedError {
  if (!(thrown instanceof HeliosError) || thrown.reason !== "MODULE_METHOD_FAILED") throw thrown;
  const {
    error_name: name = "Error",
    error: message = thrown.message,
    error_code: code,
    error_fields,
  } = thrown.metadata;
  const fields = fieldsIn(error_fields);
  return { name, message, ...(code === undefined ? {} : { code }), ...(fields === undefined ? {} : { fields }) };
}

/** Undefined also if a module has sent a text that is not JSON. */
function fieldsIn(json: string | undefined): unknown {
  try {
    return json === undefined ? undefined : JSON.parse(json);
  } catch {
    return undefined;
  }
}
