import { HeliosError, messageOf } from "../../errors/error.ts";
import { pathText } from "../../json/source.ts";
import { jsonViolation } from "../../json/value.ts";
import {
  type Expectation,
  type ExpectationCompiler,
  ExpectationError,
  type Observed,
  type ObservedError,
} from "./expectations.ts";
import { DEFAULT_TIMEOUT_MS, MAX_TEST_TIMEOUT_MS, type Test, TestFailure, told } from "./suite.ts";

/** A test as data: a call, and what is expected of it. */
export interface TestCase {
  readonly name: string;
  readonly description: string;
  readonly required: boolean;
  readonly timeoutMs: number;
  readonly method: string;
  /** A JSON value. */
  readonly input: unknown;
  /** Empty: the call must succeed. */
  readonly expect: string;
}

/** What a caller says of a test; what is absent has its default. */
export type TestCaseFields = Pick<TestCase, "name" | "method"> & {
  readonly [Key in keyof TestCase]?: TestCase[Key] | undefined;
};

/** Length of a test's `expect`; a longer one is refused with `SUITE_INVALID`. @limit characters */
const MAX_EXPECTATION = 4096;

/** A created suite's tests with every default in place. SUITE_INVALID names the test, and the place in its expectation. */
export function completeCases(
  suite: string,
  fields: readonly TestCaseFields[],
  compile: ExpectationCompiler | undefined,
): readonly TestCase[] {
  if (fields.length === 0) throw invalid(suite, undefined, "a suite needs a test");
  const names = new Set<string>();
  return fields.map((field) => {
    const { name, method, description = "", required = true, timeoutMs = DEFAULT_TIMEOUT_MS, input = null } = field;
    const { expect = "" } = field;
    if (name === "") throw invalid(suite, undefined, "a test needs a name");
    if (names.has(name)) throw invalid(suite, name, "another test has the same name");
    if (method === "") throw invalid(suite, name, "it calls no method");
    if (!(timeoutMs >= 1 && timeoutMs <= MAX_TEST_TIMEOUT_MS))
      throw invalid(suite, name, "timeout must be from 1 ms to 600 s");
    const wrong = jsonViolation([], input);
    if (wrong !== undefined) {
      const at = wrong.path.length === 0 ? "input" : `input ${pathText(wrong.path)}`;
      throw invalid(suite, name, `${at}: ${wrong.problem}; expected ${wrong.expected}`);
    }
    names.add(name);
    compileExpectation(suite, name, expect, compile);
    return { name, description, required, timeoutMs, method, input, expect };
  });
}

/** The tests that run. */
export function toTests(suite: string, cases: readonly TestCase[], compile: ExpectationCompiler | undefined): Test[] {
  return cases.map((each) => {
    const { name, description, required, timeoutMs, method, input } = each;
    const holds = compileExpectation(suite, name, each.expect, compile);
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
        const seen = answer.error === null ? `output ${told(answer.output)}` : `error ${told(answer.error)}`;
        if (!judge(holds, { ...answer, durationMs }, seen)) {
          throw new TestFailure(`${each.expect || "it failed"}: ${seen}, after ${Math.round(durationMs)} ms`);
        }
        return answer.output;
      },
    };
  });
}

/** An expectation of the output that does not fit an error is not met; one that does not fit the output is wrong. */
function judge(holds: Expectation, observed: Observed, seen: string): boolean {
  try {
    return holds(observed);
  } catch (error) {
    const message = `${messageOf(error)}: ${seen}`;
    throw observed.error === null ? new Error(message) : new TestFailure(message);
  }
}

/** What the method threw; whatever else went wrong is not the method's, and is thrown on. */
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

/** Undefined, too, where a module has sent what is no JSON. */
function fieldsIn(json: string | undefined): unknown {
  try {
    return json === undefined ? undefined : JSON.parse(json);
  } catch {
    return undefined;
  }
}

function compileExpectation(
  suite: string,
  test: string,
  source: string,
  compile: ExpectationCompiler | undefined,
): Expectation {
  if (source === "") return ({ error }) => error === null;
  if (source.length > MAX_EXPECTATION)
    throw invalid(suite, test, `expect is longer than ${MAX_EXPECTATION} characters`);
  if (compile === undefined) throw invalid(suite, test, "expectations cannot be compiled here");
  try {
    return compile(source);
  } catch (error) {
    const position = error instanceof ExpectationError ? error.position : undefined;
    const where = position === undefined ? "" : `, ${position}`;
    throw invalid(suite, test, `expect${where}: ${messageOf(error)}`, position);
  }
}

function invalid(name: string, test: string | undefined, problem: string, position?: string): HeliosError {
  if (test === undefined) return HeliosError.of("SUITE_INVALID", { name, problem });
  const where = position === undefined ? {} : { position };
  return HeliosError.of("SUITE_INVALID", { name, problem: `test ${test}: ${problem}`, test, ...where });
}
