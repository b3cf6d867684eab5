import { messageIn, toSmallJson } from "./json.ts";
import { asWritten } from "./places.ts";
import { toReadable } from "./readable.ts";
import { isError } from "./shapes.ts";

/** An error as it is sent between the service and an instance. */
export interface WireError {
  readonly name: string;
  readonly message: string;
  /** The first lines of the stack. */
  readonly stack: string;
  /** The error's `code`. For the service's own errors, their reason. */
  readonly code?: string;
  /** Whether the module blames the caller. */
  readonly callerFault?: boolean;
  /** The error's other own members, as JSON text. */
  readonly fields?: string;
  /** The error's cause, as JSON text. */
  readonly cause?: string;
  /** Metadata of the service's own errors. */
  readonly metadata?: Readonly<Record<string, string>>;
}

/** Length of the message of an error that a module throws; the rest is cut. @limit characters */
const MAX_MESSAGE = 4096;
/** Lines of the stack of an error that a module throws; the rest is cut. @limit lines */
const MAX_STACK_LINES = 10;
/** Length of the stack of an error that a module throws; the rest is cut. @limit characters */
const MAX_STACK = 4096;
/** Length of the name, and of the `code`, of an error that a module throws; the rest is cut. @limit characters */
const MAX_NAME = 128;
/**
 * Size of the own members of an error that a module throws, as JSON; members that do not fit are omitted. @limit bytes
 */
const MAX_FIELDS = 1024;
/**
 * Size of the cause of an error that a module throws, as JSON. Of a larger one, its own members are omitted, then its
 * own causes. @limit bytes
 */
const MAX_CAUSE = 1024;
/** Nested causes of an error that a module throws; further ones are omitted. @limit levels */
const MAX_CAUSES = 4;
/** Errors in an AggregateError that a module throws; further ones are omitted. @limit errors */
const MAX_ERRORS = 5;
/** Length of the message of a cause of an error that a module throws; the rest is cut. @limit characters */
const MAX_CAUSE_MESSAGE = 256;
/** Values in one own member of an error; a member with more is omitted. @limit values */
const MAX_PARTS = 200;

/** Members that have a field of their own in `WireError`, or are left out. */
const KNOWN: ReadonlySet<string> = new Set(["name", "message", "stack", "code", "cause", "callerFault"]);

/** Converts any thrown value so that it can be sent. Never throws, even if reading the value throws. */
export function toWire(thrown: unknown): WireError {
  if (!isObject(thrown)) return { name: "Error", message: cut(messageIn(thrown), MAX_MESSAGE), stack: "" };
  try {
    const { message } = thrown;
    const [name, stack, code, callerFault] = ["name", "stack", "code", "callerFault"].map((key) => read(thrown, key));
    const own = fieldsOf(thrown, MAX_FIELDS);
    const cause = causeOf(thrown);
    return {
      name: typeof name === "string" ? cut(name, MAX_NAME) : "Error",
      message: cut(typeof message === "string" ? message : formatThrown(thrown), MAX_MESSAGE),
      stack: typeof stack === "string" ? cut(asWritten(ofModule(stack)), MAX_STACK) : "",
      ...(isCode(code) ? { code: cut(String(code), MAX_NAME) } : {}),
      ...(callerFault === true ? { callerFault: true } : {}),
      ...(own === undefined ? {} : { fields: own }),
      ...(cause === undefined ? {} : { cause }),
    };
  } catch {
    return { name: "Error", message: "the module threw a value that cannot be read", stack: "" };
  }
}

/** Lines of a stack that are read: more than Node produces unless a module asks for more. @limit lines */
const MAX_STACK_READ = 100;
const OWN_CODE = new URL("..", import.meta.url).href;

/** Removes the lines about the service's own code, which the module's author can do nothing about. */
function ofModule(stack: string): string {
  const lines = stack.split("\n", MAX_STACK_READ);
  const isOwn = (line: string): boolean =>
    /^\s+at /.test(line) && (line.includes(OWN_CODE) || line.includes("(node:internal/"));
  return lines
    .filter((line) => !isOwn(line))
    .slice(0, MAX_STACK_LINES)
    .join("\n");
}

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null;

const isCode = (code: unknown): code is string | number => typeof code === "string" || Number.isFinite(code);

/** Returns undefined also if the member's accessor throws. */
function read(object: Readonly<Record<string, unknown>>, key: string): unknown {
  try {
    return object[key];
  } catch {
    return undefined;
  }
}

/** Formats a thrown object that is not an error. */
function formatThrown(thrown: object): string {
  return JSON.stringify(toReadable(thrown, { depth: 4, parts: 100, members: 20, characters: MAX_MESSAGE }));
}

/**
 * Returns those own members that are JSON, and the errors of an AggregateError, as JSON text, or undefined if there are
 * none.
 */
function fieldsOf(error: Readonly<Record<string, unknown>>, maxBytes: number): string | undefined {
  const fields = Object.entries(ownMembers(error, maxBytes));
  return fields.length === 0 ? undefined : JSON.stringify(Object.fromEntries(fields));
}

function ownMembers(error: Readonly<Record<string, unknown>>, maxBytes: number): Record<string, unknown> {
  const members: [string, unknown][] = [];
  let bytes = 2;
  const add = (name: string, json: unknown): void => {
    const size = Buffer.byteLength(JSON.stringify({ [name]: json })) - 1;
    if (bytes + size > maxBytes) return;
    bytes += size;
    members.push([name, json]);
  };
  const code = read(error, "code");
  // `WireError.code` is a text. A caller that compares the code needs the number.
  if (typeof code === "number" && Number.isFinite(code)) add("code", code);
  for (const name of Object.keys(error).slice(0, MAX_PARTS)) {
    if (KNOWN.has(name) || name === "errors" || !name.isWellFormed()) continue;
    try {
      const value = error[name];
      if (value !== undefined) add(name, toSmallJson(value, name, { parts: MAX_PARTS, characters: maxBytes }));
    } catch {
      // The member is not JSON, or is too large. The other members are still sent.
    }
  }
  const errors = read(error, "errors");
  if (Array.isArray(errors)) {
    add(
      "errors",
      errors.slice(0, MAX_ERRORS).map((each: unknown) => formatCause(each, 0, 0)),
    );
  }
  return Object.fromEntries(members);
}

/** Returns the cause of an error as JSON text, with as many of its own members and causes as fit. */
function causeOf(error: Readonly<Record<string, unknown>>): string | undefined {
  const cause = read(error, "cause");
  if (cause === undefined || cause === null) return undefined;
  for (const [causes, ownBytes] of CAUSES) {
    const text = JSON.stringify(formatCause(cause, causes, ownBytes));
    if (Buffer.byteLength(text) <= MAX_CAUSE) return text;
  }
  return undefined;
}

/** What is sent about a cause, the most detailed first: number of nested causes, and bytes of the own members of each. */
const CAUSES: readonly (readonly [causes: number, ownBytes: number])[] = [
  [MAX_CAUSES, MAX_CAUSE],
  [MAX_CAUSES, 0],
  [1, 0],
  [0, 0],
];

function formatCause(cause: unknown, causes: number, ownBytes: number): unknown {
  if (!isObject(cause) || !(isError(cause) || typeof read(cause, "message") === "string")) {
    return toReadable(cause, { depth: 4, parts: 50, members: 20, characters: MAX_CAUSE_MESSAGE });
  }
  const [name, message, code] = ["name", "message", "code"].map((key) => read(cause, key));
  const further = causes === 0 ? undefined : read(cause, "cause");
  return {
    name: typeof name === "string" ? cut(name, MAX_NAME) : "Error",
    message: cut(typeof message === "string" ? message : "", MAX_CAUSE_MESSAGE),
    ...(isCode(code) ? { code: typeof code === "string" ? cut(code, MAX_NAME) : code } : {}),
    ...(ownBytes === 0 ? {} : ownMembers(cause, ownBytes)),
    ...(further === undefined || further === null ? {} : { cause: formatCause(further, causes - 1, ownBytes) }),
  };
}

function cut(text: string, length: number): string {
  return (text.length <= length ? text : `${text.slice(0, length - 1)}…`).toWellFormed();
}

/**
 * Creates the error that a module gets from the service. `metadata` is the metadata that every caller gets. If a method of
 * another module threw, the thrown error is the cause.
 */
export function fromWire({ name, message, code, metadata }: WireError): Error {
  const thrown = metadata === undefined ? undefined : thrownIn(metadata);
  const error = new Error(message, thrown === undefined ? {} : { cause: thrown });
  error.name = name;
  // Not enumerable. If the module rethrows the error, the cause is sent anyway, and the metadata would repeat it.
  if (metadata !== undefined) Object.defineProperty(error, "metadata", { value: metadata });
  return Object.assign(error, code === undefined ? {} : { code });
}

function thrownIn(metadata: Readonly<Record<string, string>>): Error | undefined {
  const { error, error_name, error_code, error_fields, error_cause, stack } = metadata;
  if (error_name === undefined) return undefined;
  const thrown = new Error(error ?? "");
  thrown.name = error_name;
  if (stack !== undefined) thrown.stack = stack;
  assign(thrown, error_code === undefined ? {} : { code: error_code });
  assign(thrown, Object(parsed(error_fields)) as object);
  const cause = parsed(error_cause);
  if (cause !== undefined) thrown.cause = toCause(cause);
  return thrown;
}

/** Returns undefined also for invalid JSON, because a module may have sent anything. */
function parsed(json: string | undefined): unknown {
  try {
    return json === undefined ? undefined : JSON.parse(json);
  } catch {
    return undefined;
  }
}

function toCause(sent: unknown): unknown {
  if (!isObject(sent) || typeof sent.name !== "string" || typeof sent.message !== "string") return sent;
  const { name, message, cause, ...own } = sent;
  const error = new Error(message, cause === undefined ? {} : { cause: toCause(cause) });
  error.name = name;
  return assign(error, own);
}

function assign(error: Error, own: object): Error {
  for (const [name, value] of Object.entries(own)) {
    if (!(name in Object.prototype)) Object.defineProperty(error, name, { value, ...ORDINARY });
  }
  return error;
}

const ORDINARY = { enumerable: true, writable: true, configurable: true };
