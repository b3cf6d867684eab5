import { type ErrorCode, type ErrorRow, table } from "./error-row.ts";
import { FLAG_ERRORS } from "./flags/errors.ts";
import { METHOD_FAILED_KEYS, METHOD_FAULTS, THROWN_KEYS } from "./method-faults.ts";
import { REQUEST_ERRORS } from "./request-errors.ts";

export type { ErrorCode } from "./error-row.ts";

/** Every error that a caller can get, by its stable reason. `docs/errors.md` is generated from it. */
export const ERRORS = table({
  ...FLAG_ERRORS,
  ...REQUEST_ERRORS,
  BREAKER_NOT_FOUND: {
    code: "NOT_FOUND",
    message: "breaker {name} does not exist",
    retryable: false,
    help: "Create it with GetOrCreateBreaker.",
  },
  BREAKER_STATE_INVALID: {
    code: "INTERNAL",
    message: "what is stored of breaker {name} is none: {problem}",
    retryable: false,
    help: "The store was written by another version of Helios, or damaged. Start with the version that wrote it, or restore a backup.",
  },
  BREAKER_OPEN: {
    code: "UNAVAILABLE",
    message: "breaker {name} is open; retry in {retry_after}",
    extra: ["override"],
    retryable: true,
    help: "Use a fallback until retry_after has passed, or look at the breaker with GetBreaker.",
  },
  MODULE_NOT_FOUND: {
    code: "NOT_FOUND",
    message: "module {name} is not registered",
    retryable: false,
    help: "Register it with RegisterModule, or check the name with ListModules.",
  },
  MODULE_ALREADY_EXISTS: {
    code: "ALREADY_EXISTS",
    message: "module {name} is registered with other content",
    extra: ["differences", "state"],
    retryable: false,
    help: "Set replace while it is UNLOADED or FAILED, or swap it.",
  },
  MODULE_DEPENDENCY_NOT_LOADED: {
    code: "FAILED_PRECONDITION",
    message: "module {name} depends on {dependencies}, not loaded",
    retryable: false,
    help: "Load the dependencies first, or set load_dependencies.",
  },
  MODULE_DEPENDENCY_CYCLE: {
    code: "FAILED_PRECONDITION",
    message: "dependencies of module {name} would close the cycle {cycle}",
    retryable: false,
    help: "Remove one of the dependencies named.",
  },
  MODULE_HAS_DEPENDENTS: {
    code: "FAILED_PRECONDITION",
    message: "module {name} is needed by {dependents}",
    retryable: false,
    help: "Unload the dependents first, or set cascade.",
  },
  MODULE_PATH_OUTSIDE_ROOT: {
    code: "INVALID_ARGUMENT",
    message: "module path {module_path} leads out of the modules root",
    retryable: false,
    help: "Give a path below the modules root; links that lead out of it are refused too.",
  },
  MODULE_FILE_NOT_FOUND: {
    code: "INVALID_ARGUMENT",
    message: "module path {module_path} names no file; tried {tried}",
    retryable: false,
    help: "Give a path relative to the modules root, with or without extension, or dotted.",
  },
  MODULE_INVALID: {
    code: "INVALID_ARGUMENT",
    message: "{module_path} is not a module: {problem}",
    retryable: false,
    help: "A module file default-exports a class, or a function that returns an instance. What it imports must be there, too.",
  },
  MODULE_ASSET_INVALID: {
    code: "INVALID_ARGUMENT",
    message: "the assets of {module_path} cannot be taken: {problem}",
    retryable: false,
    help: "Give paths, below the modules root, of files that the module reads, or of directories with such files alone.",
  },
  MODULE_DIGEST_MISMATCH: {
    code: "FAILED_PRECONDITION",
    message: "{module_path} has sha256 {actual}, not {expected}",
    retryable: false,
    help: "The code is not what was meant; register or swap with the digest of the file, or of the artifact, that is.",
  },
  MODULE_LOAD_FAILED: {
    code: "FAILED_PRECONDITION",
    message: "module {name} failed at {step}: {error}",
    extra: THROWN_KEYS,
    retryable: false,
    help: "The module's own error and the first lines of its stack are in the metadata.",
  },
  MODULE_NOT_LOADED: {
    code: "FAILED_PRECONDITION",
    message: "module {name} is {state}, not ACTIVE",
    retryable: false,
    help: "Load it with LoadModule; GetModule says why it failed, if it did.",
  },
  MODULE_STARTING: {
    code: "UNAVAILABLE",
    message: "module {name} is being started; retry in {retry_after}",
    retryable: true,
    help: "The call did not reach the module. Retry it when retry_after has passed.",
  },
  MODULE_STATE_CONFLICT: {
    code: "FAILED_PRECONDITION",
    message: "module {name} is {state}; {operation} needs {expected}",
    retryable: false,
    help: "Bring the module to one of the expected states first.",
  },
  MODULE_NOT_HOT_RELOADABLE: {
    code: "FAILED_PRECONDITION",
    message: "module {name} is registered as not hot reloadable",
    retryable: false,
    help: "Unload it and register it again with replace, or register it with hot_reloadable.",
  },
  HOT_RELOAD_DISABLED: {
    code: "FAILED_PRECONDITION",
    message: "hot reload is off for {module}: flag {flag} was switched off by {actor}",
    extra: ["action", "evaluation", "reason", "time"],
    retryable: false,
    help: "Modules are frozen on purpose. RollbackModule goes on; ask whoever switched the flag off, or switch it on with EnableFlag.",
  },
  MODULE_BUSY: {
    code: "ABORTED",
    message: "module {name} is busy with {operation}",
    retryable: true,
    help: "Retry when the other operation has ended.",
  },
  MODULE_OVERLOADED: {
    code: "RESOURCE_EXHAUSTED",
    message: "module {name} has {in_flight} calls in flight and {queued} waiting",
    retryable: true,
    help: "Retry later with backoff, or register the module with a higher concurrency.",
  },
  MODULE_ANSWER_LOST: {
    code: "FAILED_PRECONDITION",
    message: "{method} of {dependency} was carried out, but module {name} has not read enough to get the answer",
    retryable: false,
    help: "A module's own calls (ctx.call) fail with it: made again, it would be done twice. Find out what came of it. Make fewer calls with large answers at once, and keep the event loop of the module free.",
  },
  MODULE_FENCED: {
    code: "FAILED_PRECONDITION",
    message: "generation {generation} of module {name} does not serve: {problem}",
    retryable: false,
    help: "Only the version that serves acts: start timers in ctx.onServe, and end them in ctx.onRetire. What a new version needs before it serves must be a method without effects: one of the dependency's pure_methods, or of its class's static pureMethods; or the dependency is named in test_allow_dependencies.",
  },
  DEPENDENCY_NOT_STUBBED: {
    code: "FAILED_PRECONDITION",
    message: "a test of module {name} called {method} of {dependency}, which is neither stubbed nor allowed",
    retryable: false,
    help: "Stub the method, or a module in its place: in stubs of the run, of the suite, or in test_stubs of the registration. Or allow the dependency by name in allow_dependencies or test_allow_dependencies. Methods without effects, in its pure_methods or its class's static pureMethods, can always be called.",
  },
  MODULE_GENERATION_MISMATCH: {
    code: "ABORTED",
    message: "module {name} is at generation {actual}, not {expected}",
    retryable: false,
    help: "Somebody else replaced it. Read the module again and decide anew.",
  },
  GENERATION_NOT_FOUND: {
    code: "NOT_FOUND",
    message: "module {name} has no generation {generation} that it could go back to",
    retryable: false,
    help: "ListGenerations names those that are kept.",
  },
  SWAP_NOT_FOUND: {
    code: "NOT_FOUND",
    message: "no swap {swap_id} of module {name} is under way",
    retryable: false,
    help: "last_swap of the module says how the last one went.",
  },
  SWAP_COMMITTED: {
    code: "FAILED_PRECONDITION",
    message: "swap {swap_id} of module {name} has switched already",
    retryable: false,
    help: "Use RollbackModule.",
  },
  SWAP_ID_REUSED: {
    code: "INVALID_ARGUMENT",
    message: "swap_id {swap_id} was used for another swap",
    retryable: false,
    help: "Make a new id for each swap; repeat one only with the same content.",
  },
  MODULE_METHOD_FAILED: {
    code: "INTERNAL",
    unless: METHOD_FAULTS,
    message: "{method} of module {name} failed: {error}",
    extra: METHOD_FAILED_KEYS,
    retryable: false,
    help: "The module threw; what it threw is in the metadata: its name, its code, the members that it has of its own and its cause (both as JSON), and the first lines of its stack.",
  },
  MODULE_METHOD_NOT_FOUND: {
    code: "UNIMPLEMENTED",
    message: "module {name} has no method {method}; it has {methods}",
    retryable: false,
    help: "Call one of the methods named.",
  },
  MODULE_DEADLINE_EXCEEDED: {
    code: "DEADLINE_EXCEEDED",
    message: "{method} of module {name} did not answer within {timeout}",
    retryable: false,
    help: "The call may have had its effect. Raise call_timeout if the method needs longer.",
  },
  MODULE_CRASHED: {
    code: "UNAVAILABLE",
    message: "module {name} ended while it was needed: {error}",
    extra: ["retry_after", "delivered"],
    retryable: true,
    help: "Where delivered is true the call may have had its effect; else it did not reach the module. retry_after says when a version probably serves again; without it none is being started, and GetModule says why.",
  },
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
    help: "Delete it first; the built-in suites cannot be replaced.",
  },
  SUITE_BUILT_IN: {
    code: "FAILED_PRECONDITION",
    message: "test suite {name} is built in",
    retryable: false,
    help: "Create a suite of another name.",
  },
  SUITE_INVALID: {
    code: "INVALID_ARGUMENT",
    message: "test suite {name}: {problem}",
    extra: ["test", "position", "file", "stack"],
    retryable: false,
    help: "Correct the test: an expectation is a CEL expression over output, error and duration_ms; a suite file default-exports a list of tests.",
  },
  TEST_RUNS_OVERLOADED: {
    code: "RESOURCE_EXHAUSTED",
    message: "{waiting} test runs wait already",
    retryable: true,
    help: "Run it again when others have ended: few run at once, so that modules that serve are not slowed down.",
  },
  RUN_NOT_FOUND: {
    code: "NOT_FOUND",
    message: "test run {id} does not exist",
    retryable: false,
    help: "The last 100 runs of a module are kept; see ListTestRuns.",
  },
  ETAG_MISMATCH: {
    code: "ABORTED",
    message: "{name} has etag {etag}, not {given}",
    extra: ["index"],
    retryable: false,
    help: "Read the resource again and decide anew.",
  },
  REQUEST_ID_REUSED: {
    code: "INVALID_ARGUMENT",
    message: "the id {request_id} was used for another request",
    retryable: false,
    help: "Make a new request_id, or idempotency_key, for each request; repeat one only with the same content.",
  },
  ANSWER_NOT_KEPT: {
    code: "FAILED_PRECONDITION",
    message: "request {request_id} was carried out, but its answer is not kept any more",
    retryable: false,
    help: "Nothing was done again. Read the present state, or use a new id to do it once more.",
  },
  IDEMPOTENCY_OUTCOME_UNKNOWN: {
    // A code that no client retries by itself: to run it again is what must not happen.
    code: "FAILED_PRECONDITION",
    message: "whether {method} of module {name} had its effect under key {key} at {when} is not known: {why}",
    retryable: false,
    help: "It is not run again under this key. Find out whether it had its effect, such as whether the order is there; only if it is not, call again with a new key.",
  },
  IDEMPOTENCY_KEYS_EXHAUSTED: {
    code: "RESOURCE_EXHAUSTED",
    message: "{limit} calls with an idempotency_key are known from the last ten minutes; retry in {retry_after}",
    retryable: true,
    help: "Nothing was run. None of them is forgotten early, since it could then be run twice; call without a key what may be.",
  },
  ARGUMENT_INVALID: {
    code: "INVALID_ARGUMENT",
    message: "{field}: {problem}",
    retryable: false,
    help: "Correct the field named; field violations are listed as buf.validate.Violations where a rule was broken.",
  },
  RESOURCE_TOO_LARGE: {
    code: "INVALID_ARGUMENT",
    message: "{what} {name} would have {size} bytes; at most {limit} are allowed",
    retryable: false,
    help: "Nothing was changed. Make it smaller: the size is that of its longer encoding, JSON or protobuf.",
  },
  PAGE_TOKEN_INVALID: {
    code: "INVALID_ARGUMENT",
    message: "page_token {page_token} was not given by this list",
    retryable: false,
    help: "Send next_page_token of the page before, with the same request otherwise.",
  },
  RESUME_TOKEN_INVALID: {
    code: "INVALID_ARGUMENT",
    message: "resume_token {resume_token} was not given by this service",
    retryable: false,
    help: "Send the token of the last frame received, or none for a snapshot.",
  },
  REVISION_COMPACTED: {
    code: "OUT_OF_RANGE",
    message: "changes since {resume_token} are not kept any more",
    extra: ["oldest_revision"],
    retryable: false,
    help: "Watch without a token, which starts with a snapshot.",
  },
  WATCHER_TOO_SLOW: {
    code: "RESOURCE_EXHAUSTED",
    message: "the watcher left {waiting} events unread",
    retryable: true,
    help: "Watch again with the last token, and read faster.",
  },
  REVISION_UNKNOWN: {
    code: "OUT_OF_RANGE",
    message: "revision {revision} is not reached; the store {incarnation} is at {head_revision}",
    retryable: false,
    help: "Take the revision from the answer of the change, and from the same store.",
  },
  TOO_MANY_WAITS: {
    code: "RESOURCE_EXHAUSTED",
    message: "{limit} calls wait for a revision already",
    retryable: true,
    help: "Retry when some of them are over.",
  },
  CALL_DEADLINE_EXCEEDED: {
    code: "DEADLINE_EXCEEDED",
    message: "the deadline of the call has passed: {problem}",
    retryable: true,
    help: "What was asked for may have been done: retry with the same request_id, or look.",
  },
  CALL_CANCELLED: {
    code: "CANCELLED",
    message: "the call was cancelled: {problem}",
    retryable: true,
    help: "What was asked for may have been done: retry with the same request_id, or look.",
  },
  SERVICE_NOT_FOUND: {
    code: "NOT_FOUND",
    message: "service {service} is not served here",
    retryable: false,
    help: "Ask grpc.health.v1.Health/List for the names; the empty name stands for the whole server.",
  },
  SERVER_DRAINING: {
    code: "UNAVAILABLE",
    message: "the server is shutting down",
    extra: ["retry_after"],
    retryable: true,
    help: "Retry, with the last resume_token for a watch; another server or this one restarted will answer.",
  },
  STORE_LOCKED: {
    code: "FAILED_PRECONDITION",
    message: "data directory {directory} is in use by another process ({owner})",
    retryable: false,
    help: "Stop that process, or give this one a data directory of its own (HELIOS_DATA_DIR).",
  },
  STORE_DAMAGED: {
    code: "FAILED_PRECONDITION",
    message: "database {file} is damaged: {problem}",
    retryable: false,
    help: "Nothing was changed. Restore the file from a backup, or move it away to start empty.",
  },
  STORE_FORMAT_UNKNOWN: {
    code: "FAILED_PRECONDITION",
    message: "database {file} has format {format}; this version reads up to {supported}",
    retryable: false,
    help: "Nothing was changed. Start the newer version that wrote it.",
  },
  STORE_DIRECTORY_UNUSABLE: {
    code: "FAILED_PRECONDITION",
    message: "data directory {directory} cannot be used: {problem}",
    retryable: false,
    help: "Check that it is a directory that this process may write to, on a disk that has room.",
  },
  MACHINE_FAULT: {
    code: "UNAVAILABLE",
    message: "the machine keeps the service from its work: {problem}",
    retryable: true,
    help: "Nothing was changed. Look for open files, memory, disk and rights of the service's process: the module is not at fault.",
  },
  STORE_UNAVAILABLE: {
    code: "UNAVAILABLE",
    message: "the change could not be stored: {problem}",
    retryable: true,
    help: "Nothing was changed. Check the disk of the data directory.",
  },
  BATCH_TOO_LARGE: {
    code: "RESOURCE_EXHAUSTED",
    message: "one change of {size} is too large; at most {limit} are made at once",
    retryable: false,
    help: "Nothing was changed. Make the change in several smaller ones.",
  },
  MODULES_FILE_INVALID: {
    code: "INVALID_ARGUMENT",
    message: "{file}, line {line}, {key}: {problem}; expected {expected}{more}",
    extra: ["more", "mistakes"],
    retryable: false,
    help: "Correct the file at that place, and at those in `more`, one a line; `mistakes` is how many there are.",
  },
  INTERNAL: {
    code: "INTERNAL",
    message: "internal error {error_id}",
    retryable: false,
    help: "The cause is in the server's log under the error_id.",
  },
});

export type Reason = keyof typeof ERRORS;

type KeysIn<Text extends string> = Text extends `${string}{${infer Key}}${infer Rest}` ? Key | KeysIn<Rest> : never;
type MessageKeys<R extends Reason> = KeysIn<(typeof ERRORS)[R]["message"]>;
type ExtraKeys<R extends Reason> = (typeof ERRORS)[R] extends { extra: readonly (infer Key extends string)[] }
  ? Key
  : never;

/** What goes into an error's message and metadata. */
export type Metadata<R extends Reason> = Readonly<
  Record<Exclude<MessageKeys<R>, ExtraKeys<R>>, string | number> & Partial<Record<ExtraKeys<R>, string | number>>
>;

/** An error that a caller is meant to see: one row of the table, with its values. */
export class HeliosError extends Error {
  override readonly name = "HeliosError";
  readonly reason: Reason;
  readonly code: ErrorCode;
  readonly retryable: boolean;
  readonly metadata: Readonly<Record<string, string>>;
  /** When a retry makes sense, in ms from now; absent where nothing is known of it. */
  readonly retryAfterMs: number | undefined;

  private constructor(
    reason: Reason,
    metadata: Readonly<Record<string, string>>,
    options: { cause?: unknown; retryAfterMs?: number },
  ) {
    const row: ErrorRow = ERRORS[reason];
    super(
      row.message.replace(/\{(\w+)\}/g, (_, key: string) => metadata[key] ?? ""),
      { cause: options.cause },
    );
    this.reason = reason;
    this.code = (row.unless?.find(({ so }) => so(metadata)) ?? row).code;
    this.retryable = row.retryable;
    this.metadata = metadata;
    this.retryAfterMs = options.retryAfterMs;
  }

  /** Makes the error of that reason; the compiler asks for every value its message needs. */
  static of<R extends Reason>(
    reason: R,
    metadata: Metadata<R>,
    options: { cause?: unknown; retryAfterMs?: number } = {},
  ): HeliosError {
    const texts: Record<string, string> = {};
    for (const [key, value] of Object.entries(metadata)) if (value !== undefined) texts[key] = String(value);
    return new HeliosError(reason, texts, options);
  }
}

/** Whether `error` is the domain error of that reason. */
export function isReason(error: unknown, reason: Reason): error is HeliosError {
  return error instanceof HeliosError && error.reason === reason;
}

/** Errors within one another that are looked at. @limit errors */
const MOST_CAUSES = 10;

/** The fault of the store or the machine that an error came of, if it did: the same can go well later. */
export function faultIn(error: unknown): HeliosError | undefined {
  let one = error;
  for (let depth = 0; depth < MOST_CAUSES && one instanceof Error; depth += 1, one = one.cause) {
    if (isReason(one, "STORE_UNAVAILABLE") || isReason(one, "MACHINE_FAULT")) return one;
  }
  return undefined;
}

/** The message of whatever was thrown: modules and libraries throw anything. */
export function messageOf(thrown: unknown): string {
  if (thrown instanceof Error) return thrown.message;
  return typeof thrown === "string" ? thrown : String(thrown);
}
