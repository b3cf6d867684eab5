// The program that every instance starts with, in a process or a thread. It imports the module, and then does what the
// service asks.
import { AsyncLocalStorage } from "node:async_hooks";
import { deserialize, serialize } from "node:v8";
import type { StateSource } from "../types/host.ts";
import { machineTime } from "../values/machine-time.ts";
import { translatePlaces } from "../values/places.ts";
import { checkState } from "../values/state.ts";
import { chosenVersion } from "../values/version.ts";
import type { WireError } from "../values/wire-error.ts";
import { toWire } from "../values/wire-error.ts";
import { checkAnswer, MAX_ANSWER_BYTES, roomForAnswer } from "../wire/answer-size.ts";
import type { DutyMessage, LifecycleMethod, StartMessage, StartStep, ToInstance } from "../wire/protocol.ts";
import { type Context, createContext, EXPORTING, fromPayload, toPayload } from "./context.ts";
import { createDuty } from "./duty.ts";
import { createInbox } from "./inbox.ts";
import { openLink } from "./link.ts";
import { serveCode } from "./load/code.ts";
import { checkExported, construct, exportedOf, Unfit } from "./load/exported.ts";
import { hiddenIn } from "./load/hidden.ts";
import { type Methods, methodsOf } from "./load/methods.ts";
import { suiteModule } from "./load/suite.ts";
import { addPlaceOfSyntaxError } from "./load/syntax.ts";
import { OpenCall } from "./open-call.ts";
import { closeInherited, guard } from "./permissions/guards.ts";
import { createQuiet } from "./quiet.ts";
import { createRefusals } from "./refusals.ts";
import { reportProcesses } from "./spawned.ts";
import { createUsageReader } from "./usage.ts";

closeInherited();
const link = openLink();
// Created before the module's code runs, which can replace Node's functions.
const readUsage = createUsageReader();
const readForPong = createUsageReader();
/** Used twice in a row: only the second callback surely runs after the event loop has read again. */
const afterImmediate = setImmediate;
const inProgress = new AsyncLocalStorage<number>();
const calls = new Map<number, OpenCall>();
let context: Context | undefined;
let methods: Methods | undefined;
/** Most bytes of an answer's output. */
let room = MAX_ANSWER_BYTES;

/** Standard error goes to the log, so that readers get the stack as well. */
const writeToStderr = ({ name, message, stack }: WireError): void => {
  try {
    process.stderr.write(`${stack || `${name}: ${message}`}\n`);
  } catch {
    // The module may have closed standard error.
  }
};
const fatal = (thrown: unknown): void => {
  const error = toWire(thrown);
  link.send({ type: "fatal", error });
  writeToStderr(error);
  link.end(1);
};
const log = (level: "warn" | "error", message: string, fields: Record<string, unknown>): void =>
  link.send({ type: "log", level, message, fields });
/**
 * Whether the warning about unhandled refusals has been logged. It is logged once for each time that the instance serves.
 */
let isRefusalLogged = false;
const refusals = createRefusals();
const uncaught = (thrown: unknown): void => {
  const isRefusal = refusals.explain(thrown);
  if (!isRefusal) fatal(thrown);
  if (!isRefusal || isRefusalLogged) return;
  isRefusalLogged = true;
  const { message } = toWire(thrown);
  log("warn", "a call that the module made of its own accord was refused, and the module did not handle the error", {
    error: message,
  });
};
process.on("uncaughtException", uncaught);
process.on("unhandledRejection", uncaught);

const duty = createDuty({
  ofServe: uncaught,
  ofRetire: (thrown) => log("error", "a listener of ctx.onRetire failed", { ...toWire(thrown) }),
});
const NO_CALLS: ReadonlySet<number> = new Set();
const quiet = createQuiet({
  methods: () => calls.size,
  calls: () => context?.calls ?? NO_CALLS,
  hold: () => context?.hold(),
});

const reportStarted = reportProcesses(link);
const inbox = createInbox({
  now: machineTime,
  later: (run) => void afterImmediate(() => afterImmediate(run)),
  handle(message) {
    if (message.type === "call") answerCall(message.id, message.method, fromPayload(message.input));
    else void handle(message).catch(fatal);
  },
  cancel(id, reason) {
    const call = calls.get(id);
    call?.cancel(reason);
    return quiet.cancel(id) || call !== undefined;
  },
  drop: (id) => link.send({ type: "dropped", id }),
});
link.onMessages(inbox.put);

async function handle(message: Exclude<ToInstance, { type: "call" | "cancel" }>): Promise<void> {
  switch (message.type) {
    case "start":
      return start(message);
    case "lifecycle":
      return reply(message.id, () => lifecycle(message.method, message.args));
    case "import":
      return reply(message.id, () => importState(deserialize(message.state), message.from));
    case "quiet":
      if (message.exports) return sendState(message.id);
      return reply(message.id, () => quiet.take(message.id, () => {}));
    case "press":
      return quiet.press(message.id, message.how);
    case "duty":
      return changeDuty(message.duty);
    case "usage":
      return reply(message.id, () => readUsage(message.collect));
    case "ping":
      return link.send({ type: "pong", usage: readForPong(false) });
    case "answer":
      context?.answer(message.id, message.value);
      return;
    case "refusal":
      context?.refuse(message.id, message.error);
  }
}

/** Returns the id of the call that the running code helps to answer, if its method still runs. */
function callInProgress(): number {
  const id = inProgress.getStore() ?? 0;
  if (id === EXPORTING) return isExporting ? EXPORTING : 0;
  return calls.has(id) ? id : 0;
}

function changeDuty(next: DutyMessage["duty"]): void {
  quiet.cancel();
  if (next === "serve") {
    isRefusalLogged = false;
    duty.serve();
  } else if (next === "retire") duty.retire();
  // If this version has just retired, the service refuses the delayed calls.
  context?.release();
}

let isExporting = false;

/** Sends the module's state, which the next version imports. */
async function sendState(id: number): Promise<void> {
  try {
    link.send({ type: "state", id, state: serialize(await quiet.take(id, exportState)) });
  } catch (thrown) {
    link.send({ type: "error", id, error: toWire(thrown) });
  }
}

async function exportState(): Promise<unknown> {
  isExporting = true;
  try {
    const state = await inProgress.run(EXPORTING, async () => methods?.lifecycle("exportState")?.());
    checkState(state);
    return state;
  } finally {
    isExporting = false;
  }
}

async function start(message: StartMessage): Promise<void> {
  const step = (name: StartStep): void => link.send({ type: "step", step: name });
  try {
    if (message.assets !== undefined) translatePlaces(message.assets.directory, message.root);
    guard();
    const entry = serveCode(message);
    step("import");
    const namespace = await import(entry);
    const imported = exportedOf(namespace);
    const exported = message.kind === "suite" ? suiteModule(imported, namespace) : imported;
    checkExported(exported);
    step("construct");
    const { version: ofClass } = exported as { version?: unknown };
    const choice = { asked: message.version, otherwise: message.defaultVersion };
    const version = chosenVersion(choice, typeof ofClass === "string" ? ofClass : undefined);
    room = roomForAnswer(message.name, version);
    context = createContext({ ...message, version }, link, {
      callInProgress,
      duty,
      onAnswered: () => quiet.changed(),
      onRefused: (error) => refusals.add(error),
    });
    const { ctx } = context;
    const { instance } = await construct(exported, ctx);
    step("start");
    methods = methodsOf(instance, exported, hiddenIn(message.files));
    await methods.lifecycle("start")?.(ctx);
    link.send({ type: "ready", shape: methods.shape });
  } catch (thrown) {
    addPlaceOfSyntaxError(thrown, message);
    if (thrown instanceof Unfit) link.send({ type: "invalid", problem: thrown.message });
    else link.send({ type: "failed", error: toWire(thrown) });
  }
}

/** Sends the result of `work`, or an error if it fails or its result cannot be sent. */
async function reply(id: number, work: () => unknown): Promise<void> {
  try {
    link.send({ type: "result", id, value: await work() });
  } catch (thrown) {
    link.send({ type: "error", id, error: toWire(thrown) });
  }
}

async function importState(state: unknown, from: StateSource): Promise<void> {
  await methods?.lifecycle("importState")?.(state, from);
}

/** Calls a method. This is the hot path, so a method that returns its answer at once needs no promise. */
function answerCall(id: number, name: string, input: unknown): void {
  const call = new OpenCall();
  calls.set(id, call);
  try {
    const method = methods?.find(name);
    if (method === undefined) throw new TypeError(`the module has no method ${name}`);
    const output: unknown = inProgress.run(id, method, input, call);
    if (isThenable(output)) {
      Promise.resolve(output).then(
        (value) => succeed(id, name, value),
        (thrown: unknown) => fail(id, thrown),
      );
    } else succeed(id, name, output);
  } catch (thrown) {
    fail(id, thrown);
  }
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  if ((typeof value !== "object" && typeof value !== "function") || value === null) return false;
  return typeof (value as { readonly then?: unknown }).then === "function";
}

/** Sends the answer. If it cannot be sent, the call fails. */
function succeed(id: number, method: string, value: unknown): void {
  try {
    reportStarted();
    const output = toPayload(value, "output");
    link.send({ type: "output", id, output }, ([, , , , , ...content]) => checkAnswer(method, output, content, room));
    methodEnded(id);
  } catch (thrown) {
    fail(id, thrown);
  }
}

function methodEnded(id: number): void {
  calls.delete(id);
  quiet.changed();
}

function fail(id: number, thrown: unknown): void {
  methodEnded(id);
  reportStarted();
  link.send({ type: "error", id, error: toWire(thrown) });
}

async function lifecycle(name: LifecycleMethod, args: readonly unknown[]): Promise<void> {
  if (name === "stop") {
    changeDuty("retire");
    context?.abort();
  }
  await methods?.lifecycle(name)?.(...args);
  // The instance ends after the answer to `stop` was sent.
  if (name === "stop") setImmediate(() => link.end(0));
}
