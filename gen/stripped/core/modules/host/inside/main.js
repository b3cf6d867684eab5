// The program that every instance starts with, in a process or a thread. It imports the module, and then does what the
// service asks.
import { AsyncLocalStorage } from "node:async_hooks";
import { deserialize, serialize } from "node:v8";
                                                    
import { machineTime } from "../values/machine-time.js";
import { translatePlaces } from "../values/places.js";
import { checkState } from "../values/state.js";
                                                         
import { toWire } from "../values/wire-error.js";
import { checkAnswer, MAX_ANSWER_BYTES, roomForAnswer } from "../wire/answer-size.js";
                                                                                                             
import {               createContext, EXPORTING, fromPayload, toPayload } from "./context.js";
import { createDuty } from "./duty.js";
import { createInbox } from "./inbox.js";
import { openLink } from "./link.js";
import { serveCode } from "./load/code.js";
import { checkExported, construct, exportedOf, Unfit } from "./load/exported.js";
import { hiddenIn } from "./load/hidden.js";
import {               methodsOf } from "./load/methods.js";
import { suiteModule } from "./load/suite.js";
import { addPlaceOfSyntaxError } from "./load/syntax.js";
import { OpenCall } from "./open-call.js";
import { closeInherited, guard } from "./permissions/guards.js";
import { createQuiet } from "./quiet.js";
import { createRefusals } from "./refusals.js";
import { reportProcesses } from "./spawned.js";
import { createUsageReader } from "./usage.js";

closeInherited();
const link = openLink();
// Created before the module's code runs, which can replace Node's functions.
const readUsage = createUsageReader();
const readForPong = createUsageReader();
/** Used twice in a row: only the second callback surely runs after the event loop has read again. */
const afterImmediate = setImmediate;
const inProgress = new AsyncLocalStorage        ();
const calls = new Map                  ();
let context                     ;
let methods                     ;
/** Most bytes of an answer's output. */
let room = MAX_ANSWER_BYTES;

/** Standard error goes to the log, so that readers get the stack as well. */
const writeToStderr = ({ name, message, stack }           )       => {
  try {
    process.stderr.write(`${stack || `${name}: ${message}`}\n`);
  } catch {
    // The module may have closed standard error.
  }
};
const fatal = (thrown         )       => {
  const error = toWire(thrown);
  link.send({ type: "fatal", error });
  writeToStderr(error);
  link.end(1);
};
const log = (level                  , message        , fields                         )       =>
  link.send({ type: "log", level, message, fields });
/**
 * Whether the warning about unhandled refusals has been logged. It is logged once for each time that the instance serves.
 */
let isRefusalLogged = false;
const refusals = createRefusals();
const uncaught = (thrown         )       => {
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
const NO_CALLS                      = new Set();
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

async function handle(message                                                  )                {
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
function callInProgress()         {
  const id = inProgress.getStore() ?? 0;
  if (id === EXPORTING) return isExporting ? EXPORTING : 0;
  return calls.has(id) ? id : 0;
}

function changeDuty(next                     )       {
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
async function sendState(id        )                {
  try {
    link.send({ type: "state", id, state: serialize(await quiet.take(id, exportState)) });
  } catch (thrown) {
    link.send({ type: "error", id, error: toWire(thrown) });
  }
}

async function exportState()                   {
  isExporting = true;
  try {
    const state = await inProgress.run(EXPORTING, async () => methods?.lifecycle("exportState")?.());
    checkState(state);
    return state;
  } finally {
    isExporting = false;
  }
}

async function start(message              )                {
  const step = (name           )       => link.send({ type: "step", step: name });
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
    const ofClass          = (exported                         ).version;
    const version = message.version || (typeof ofClass === "string" ? ofClass : message.defaultVersion);
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
async function reply(id        , work               )                {
  try {
    link.send({ type: "result", id, value: await work() });
  } catch (thrown) {
    link.send({ type: "error", id, error: toWire(thrown) });
  }
}

async function importState(state         , from             )                {
  await methods?.lifecycle("importState")?.(state, from);
}

/** Calls a method. This is the hot path, so a method that returns its answer at once needs no promise. */
function answerCall(id        , name        , input         )       {
  const call = new OpenCall();
  calls.set(id, call);
  try {
    const method = methods?.find(name);
    if (method === undefined) throw new TypeError(`the module has no method ${name}`);
    const output          = inProgress.run(id, method, input, call);
    if (isThenable(output)) {
      Promise.resolve(output).then(
        (value) => succeed(id, name, value),
        (thrown         ) => fail(id, thrown),
      );
    } else succeed(id, name, output);
  } catch (thrown) {
    fail(id, thrown);
  }
}

function isThenable(value         )                                {
  if ((typeof value !== "object" && typeof value !== "function") || value === null) return false;
  return typeof (value                               ).then === "function";
}

/** Sends the answer. If it cannot be sent, the call fails. */
function succeed(id        , method        , value         )       {
  try {
    reportStarted();
    const output = toPayload(value, "output");
    link.send({ type: "output", id, output }, ([, , , , , ...content]) => checkAnswer(method, output, content, room));
    methodEnded(id);
  } catch (thrown) {
    fail(id, thrown);
  }
}

function methodEnded(id        )       {
  calls.delete(id);
  quiet.changed();
}

function fail(id        , thrown         )       {
  methodEnded(id);
  reportStarted();
  link.send({ type: "error", id, error: toWire(thrown) });
}

async function lifecycle(name                 , args                    )                {
  if (name === "stop") {
    changeDuty("retire");
    context?.abort();
  }
  await methods?.lifecycle(name)?.(...args);
  // The instance ends after the answer to `stop` was sent.
  if (name === "stop") setImmediate(() => link.end(0));
}
