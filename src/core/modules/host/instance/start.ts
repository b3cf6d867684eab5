import type { Clock } from "../../../../kernel/clock.ts";
import { seconds } from "../../../async/deadline.ts";
import { HeliosError, messageOf } from "../../../errors/error.ts";
import type { Artifact } from "../artifact/artifact.ts";
import { holdsTooMuch } from "../bounds/memory.ts";
import { startWatchdog, type Watchdog } from "../bounds/watchdog.ts";
import { isFault } from "../disk/fault.ts";
import type { Instance, InstanceServices, InstanceSpec } from "../types/host.ts";
import { thrownOf } from "../values/thrown.ts";
import type { WireError } from "../values/wire-error.ts";
import type { Channel, ChannelEvents } from "../wire/channel.ts";
import { createFloodGate } from "../wire/flood.ts";
import { type FromInstance, fromInstance, type StartStep } from "../wire/protocol.ts";
import { LiveInstance } from "./instance.ts";
import { createInstanceLog } from "./instance-log.ts";
import { createRequests } from "./requests.ts";

/** An instance to start, with its code. */
export interface Launch extends InstanceSpec {
  /** The modules root: absolute, with links followed. */
  readonly root: string;
  readonly code: Artifact;
  /** Directory of its assets, each at its path: absolute, with links followed. Undefined: it has no assets. */
  readonly assetsDir: string | undefined;
}

/** Starts a process or thread, and opens the channel to it. */
export type Open = (spec: Launch, events: ChannelEvents) => Channel;

/** Starts an instance of a module; see `ModuleHost.start`. `onChannel` is called with the channel as soon as it exists. */
export function startInstance(
  spec: Launch,
  services: InstanceServices,
  clock: Clock,
  open: Open,
  onChannel: (channel: Channel, ended: Promise<void>) => void,
): Promise<Instance> {
  return new Promise((resolve, reject) => {
    const { promise: gone, resolve: hasGone } = Promise.withResolvers<void>();
    const goneSignal = new AbortController();
    const log = createInstanceLog(services, clock);
    const requests = createRequests(
      spec.name,
      services,
      () => channel,
      goneSignal.signal,
      (callId) => instance?.originOf(callId),
    );
    let instance: LiveInstance | undefined;
    let watchdog: Watchdog | undefined;
    let step: StartStep = "import";
    let failure: HeliosError | undefined;
    let uncaught: string | undefined;
    let isFlooding = false;

    const loadFailed = (error: string, thrown?: WireError): HeliosError =>
      HeliosError.of("MODULE_LOAD_FAILED", {
        name: spec.name,
        step,
        error,
        ...(thrown === undefined ? {} : thrownOf(thrown)),
      });
    const cannotStart = (problem: string): HeliosError =>
      HeliosError.of("MACHINE_FAULT", { problem: `start module ${spec.name}: ${problem}` });
    const giveUp = (error: HeliosError): void => {
      // The start rejects only after the instance has ended, so that nothing is left running then.
      failure ??= error;
      channel.kill();
    };
    const starting = (message: FromInstance): void => {
      // This message may have been sent before the instance was killed.
      if (failure !== undefined) return;
      if (message.type === "step") step = message.step;
      else if (message.type === "failed") giveUp(loadFailed(format(message.error), message.error));
      else if (message.type === "invalid") giveUp(invalid(spec, message.problem));
      else if (message.type === "ready") {
        timer.cancel();
        instance = new LiveInstance(spec, channel, message.shape, clock, requests);
        watchdog = startWatchdog({
          clock,
          blockTimeoutMs: spec.blockTimeoutMs,
          ping: () => channel.send({ type: "ping" }),
          blocked: (description) => channel.kill(description),
        });
        resolve(instance);
      }
    };
    const isFlood = createFloodGate(() => clock.monotonic());
    const take = (message: FromInstance | undefined): void => {
      if (message === undefined) log("warn", "the module sent a message that does not follow the protocol", {});
      else if (message.type === "log") log(message.level, message.message, message.fields);
      else if (message.type === "fatal") uncaught = `uncaught: ${format(message.error)}`;
      else if (message.type === "spawned") channel.startedProcess?.(message.pid);
      else if (instance === undefined) starting(message);
    };
    /** Passes a message to the instance. Returns whether the service asked for it. */
    const isAskedFor = (message: FromInstance): boolean =>
      instance?.receive(message) === true && (message.type !== "pong" || watchdog?.ponged() === true);
    const countUnasked = (): void => {
      if (isFlooding || !isFlood()) return;
      isFlooding = true;
      services.log(
        "error",
        "the module is killed because it floods the service with messages that nobody asked for",
        {},
      );
      channel.cutOff("it flooded the service with messages");
    };
    const events: ChannelEvents = {
      isAwaited: (id) => instance?.isAwaited(id) === true,
      isStateAwaited: () => instance?.isStateAwaited() === true,
      message(value) {
        if (isFlooding) return;
        const message = fromInstance(value);
        watchdog?.heard(message !== undefined && FROM_EVENT_LOOP.has(message.type));
        if (message?.type === "call" || message?.type === "flag") void requests.serve(message);
        else if (message === undefined || !isAskedFor(message)) {
          countUnasked();
          take(message);
        }
      },
      memoryHigh() {
        instance?.usage({ collect: true }, COLLECT_TIMEOUT_MS).then(
          (usage) => {
            if (holdsTooMuch(usage, spec.maxHeapMb)) channel.kill("out of memory");
          },
          // An instance that does not answer is left to the watchdog, or is killed at the higher limit.
          () => {},
        );
      },
      line: (stream, line) => log(stream === "stdout" ? "info" : "warn", line, { stream }),
      ended(description, isOfMachine = false) {
        timer.cancel();
        watchdog?.stop();
        hasGone();
        goneSignal.abort();
        const how = uncaught ?? description;
        if (instance === undefined && isOfMachine) reject(failure ?? cannotStart(description));
        else if (instance === undefined) reject(failure ?? loadFailed(`it ended while starting: ${how}`));
        else instance.end(how);
      },
    };
    let channel: Channel;
    try {
      channel = open(spec, events);
    } catch (error) {
      const problem = messageOf(error);
      return reject(isFault(error) ? cannotStart(problem) : loadFailed(`it could not be started: ${problem}`));
    }
    onChannel(channel, gone);
    const timer = clock.setTimer(spec.startTimeoutMs, () => {
      giveUp(loadFailed(`it took longer than ${seconds(spec.startTimeoutMs)}`));
    });
    channel.send({
      type: "start",
      kind: spec.kind ?? "module",
      name: spec.name,
      version: spec.version,
      defaultVersion: spec.defaultVersion,
      root: spec.root,
      entry: spec.code.entry,
      files: spec.code.files,
      readable: spec.grants.fsRead,
      assets:
        spec.assetsDir === undefined
          ? undefined
          : { directory: spec.assetsDir, paths: (spec.code.assets ?? []).map(({ path }) => path) },
      config: spec.config,
    });
  });
}

/**
 * Time that a module's thread at its limit has to collect garbage and to report its memory. A thread that does not
 * answer is left to the watchdog. @limit ms
 */
const COLLECT_TIMEOUT_MS = 10_000;

/** Messages that an instance can send only if its event loop turns. */
const FROM_EVENT_LOOP: ReadonlySet<FromInstance["type"]> = new Set([
  "output",
  "late",
  "state",
  "result",
  "error",
  "dropped",
  "pong",
]);

function format({ name, message }: WireError): string {
  return name === "Error" ? message : `${name}: ${message}`;
}

function invalid({ module }: InstanceSpec, problem: string): HeliosError {
  return HeliosError.of("MODULE_INVALID", { module_path: module.modulePath, problem });
}
