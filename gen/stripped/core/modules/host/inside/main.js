// What runs first in every instance, process or thread: imports the module, and then does what the service says.
import { AsyncLocalStorage } from "node:async_hooks";
import { deserialize, serialize } from "node:v8";
                                                    
import { machineTime } from "../values/machine-time.js";
import { tellPlaces } from "../values/places.js";
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
import { tellPlaceOfSyntaxError } from "./load/syntax.js";
import { OpenCall } from "./open-call.js";
import { closeInherited, guard } from "./permissions/guards.js";
import { createQuiet } from "./quiet.js";
import { createRefusals } from "./refusals.js";
import { reportProcesses } from "./spawned.js";
import { createUsageReader } from "./usage.js";

closeInherited();
const link = openLink();
// Made before the module's code runs, which can put other functions in the place of Node's.
const readUsage = createUsageReader();
const readForPong = createUsageReader();
/** One alone may run before the event loop reads again; the second one runs after it. */
const afterImmediate = setImmediate;
const inProgress = new AsyncLocalStorage        ();
const calls = new Map                  ();
let context                     ;
let methods                     ;
/** Bytes that an answer may have. */
let room = MAX_ANSWER_BYTES;

/** For whoever reads the log: there its stack is, too. */
const tellOnStderr = ({ name, message, stack }           )       => {
  try {
    process.stderr.write(`${stack || `${name}: ${message}`}\n`);
  } catch {
    // The module may have closed it.
  }
};
const fatal = (thrown         )       => {
  const error = toWire(thrown);
  link.send({ type: "fatal", error });
  tellOnStderr(error);
  link.end(1);
};
const log = (level                  , message        , fields                         )       =>
  link.send({ type: "log", level, message, fields });
/** Whether the log has it already that the module takes no notice of what it is refused. */
let isToldOfRefusals = false;
const refusals = createRefusals();
const uncaught = (thrown         )       => {
  const isRefusal = refusals.explain(thrown);
  if (!isRefusal) fatal(thrown);
  if (!isRefusal || isToldOfRefusals) return;
  isToldOfRefusals = true;
  const { message } = toWire(thrown);
  log("warn", "a call that the module made of its own accord was refused, and nothing handles that", {
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

const tellProcesses = reportProcesses(link);
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

/** The call that the running code helps to answer, while its method runs. */
function callInProgress()         {
  const id = inProgress.getStore() ?? 0;
  if (id === EXPORTING) return isExporting ? EXPORTING : 0;
  return calls.has(id) ? id : 0;
}

function changeDuty(next                     )       {
  quiet.cancel();
  if (next === "serve") {
    isToldOfRefusals = false;
    duty.serve();
  } else if (next === "retire") duty.retire();
  // A version that has just retired is refused by the service what it had begun meanwhile.
  context?.release();
}

let isExporting = false;

/** Its state, as the next version gets it: whatever can be cloned. */
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
    if (message.assets !== undefined) tellPlaces(message.assets.directory, message.root);
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
    tellPlaceOfSyntaxError(thrown, message);
    if (thrown instanceof Unfit) link.send({ type: "invalid", problem: thrown.message });
    else link.send({ type: "failed", error: toWire(thrown) });
  }
}

/** Sends what `work` comes to; what cannot be sent is an error of it. */
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

/** Calls a method. Nearly all that an instance does comes through here: a method that answers at once needs no promise. */
function answerCall(id        , name        , input         )       {
  const call = new OpenCall();
  calls.set(id, call);
  try {
    const method = methods?.find(name);
    if (method === undefined) throw new TypeError(`no method ${name}`);
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

/** What cannot be sent is an error of the call. */
function succeed(id        , method        , value         )       {
  try {
    tellProcesses();
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
  tellProcesses();
  link.send({ type: "error", id, error: toWire(thrown) });
}

async function lifecycle(name                 , args                    )                {
  if (name === "stop") {
    changeDuty("retire");
    context?.abort();
  }
  await methods?.lifecycle(name)?.(...args);
  // What follows the answer to `stop` is the end; the answer has to leave first.
  if (name === "stop") setImmediate(() => link.end(0));
}
