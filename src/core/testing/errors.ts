import { table } from "../errors/row.ts";

/** The errors of suites and of runs. */
export const TESTING_ERRORS = table({
  SUITE_NOT_FOUND: {
    code: "NOT_FOUND",
    message: "test suite {name} does not exist",
    retryable: false,
    help: "Check the name with ListSuites.",
  },
  SUITE_ALREADY_EXISTS: {
    code: "ALREADY_EXISTS",
    message: "test suite {name} exists already",
    retryable: false,
    help: "Delete it first. The built-in suites cannot be replaced.",
  },
  SUITE_BUILT_IN: {
    code: "FAILED_PRECONDITION",
    message: "test suite {name} is built in",
    retryable: false,
    help: "Create a suite with another name.",
  },
  SUITE_INVALID: {
    code: "INVALID_ARGUMENT",
    message: "test suite {name}: {problem}",
    extra: ["test", "position", "file", "stack"],
    retryable: false,
    help: "Correct the test. An expectation is a CEL expression over output, error and duration_ms. A suite file default-exports a list of tests.",
  },
  TEST_RUNS_OVERLOADED: {
    code: "RESOURCE_EXHAUSTED",
    message: "{waiting} test runs are already waiting",
    retryable: true,
    help: "Retry when other runs have ended. Few run at once, so that they do not slow down the modules that serve.",
  },
  RUN_NOT_FOUND: {
    code: "NOT_FOUND",
    message: "test run {id} does not exist",
    retryable: false,
    help: "Only the last 100 runs of a module are kept. See ListTestRuns.",
  },
  TRIAL_NOT_FOUND: {
    code: "NOT_FOUND",
    message: "trial {id} is not open: {why}",
    retryable: false,
    help: "A trial ends at its ttl, with CloseTrial, with its instance, when its module is deleted, and when the service stops. Open a new one.",
  },
  TRIALS_OVERLOADED: {
    code: "RESOURCE_EXHAUSTED",
    message: "{open} trials are open, start or end, which is the limit",
    retryable: true,
    help: "Close one that is no longer needed with CloseTrial, or retry when one has expired. Each trial is a process of its own. The log of the service has the id and the actor of each trial.",
  },
  TEST_RUN_MISMATCH: {
    code: "FAILED_PRECONDITION",
    message: "test run {id} cannot be part of a report on trial {trial}: {problem}",
    retryable: false,
    help: "Run the suite with RunTests on the same module and module_path as the trial, and wait for its end. If the code has changed since the trial was opened, open a new one.",
  },
});
