import { Worker } from "node:worker_threads";
import { type Clock, systemClock, type Timer } from "../../../../kernel/clock.ts";
import { seconds } from "../../../async/deadline.ts";
import { messageOf } from "../../../errors/error.ts";
import { isFault, MachineFault, machineFault } from "../disk/fault.ts";
import type { AssetJob, AssetResult } from "../disk/keep-assets.ts";
import { CodeProblem } from "../disk/problem.ts";
import type { BuildRequest } from "./build.ts";

/** Time that reading a module's code may take; then the module is refused with `MODULE_INVALID`. @limit ms */
const TIMEOUT_MS = 10_000;
/**
 * Time that reading, copying or checking a module's assets may take; then the module is refused with
 * `MODULE_ASSET_INVALID`, or does not start. @limit ms
 */
const ASSETS_TIMEOUT_MS = 60_000;
/**
 * Time without work after which the thread that reads modules' code ends; the next reading starts it again. @limit ms
 */
const IDLE_MS = 5_000;

/** The result of building a module's artifact. */
export interface BuiltCode {
  /** SHA-256 of the entry's bytes on the disk. */
  readonly sha256: string;
  /** SHA-256 of `bytes`. */
  readonly artifact: string;
  /** The encoded artifact. */
  readonly bytes: Uint8Array;
}

interface Job<Request, Built> {
  readonly request: Request;
  resolve(built: Built): void;
  reject(problem: CodeProblem | MachineFault): void;
}

type Answer<Built> = (Built | Problem) & { readonly reusable: boolean };

interface Problem {
  readonly problem: string;
  /** Whether the machine is at fault, and not the module. */
  readonly isFault?: boolean;
}

interface BuilderLimits {
  /** The name of what is read, for messages. */
  readonly what: string;
  readonly timeoutMs: number;
}

const CODE_LIMITS: BuilderLimits = { what: "code", timeoutMs: TIMEOUT_MS };

/** Builds artifacts one after another in a thread. The thread starts when there is something to build. */
export class Builder<Request = BuildRequest, Built = BuiltCode> {
  readonly #script: URL;
  readonly #clock: Clock;
  readonly #limits: BuilderLimits;
  readonly #waiting: Job<Request, Built>[] = [];
  #worker: Worker | undefined;
  #job: Job<Request, Built> | undefined;
  #timer: Timer | undefined;

  constructor(script: URL, clock: Clock, limits: BuilderLimits = CODE_LIMITS) {
    this.#script = script;
    this.#clock = clock;
    this.#limits = limits;
  }

  /** Rejects with a CodeProblem or a MachineFault. */
  build(request: Request): Promise<Built> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ request, resolve, reject });
      this.#next();
    });
  }

  #next(): void {
    if (this.#job !== undefined) return;
    this.#timer?.cancel();
    this.#job = this.#waiting.shift();
    if (this.#job === undefined) {
      this.#worker?.unref();
      this.#timer = this.#clock.setTimer(IDLE_MS, () => this.#end());
      return;
    }
    const { what, timeoutMs } = this.#limits;
    try {
      this.#worker ??= this.#start();
    } catch (error) {
      this.#fail(machineFault(`start the thread that reads ${what}`, error));
      return;
    }
    this.#worker.ref();
    this.#timer = this.#clock.setTimer(timeoutMs, () => {
      this.#end();
      this.#fail(new CodeProblem(`reading its ${what} took longer than ${seconds(timeoutMs)}`));
    });
    this.#worker.postMessage(this.#job.request);
  }

  #start(): Worker {
    // Instances run without addons. Packages with addons have other exports for this case, which must be found here as
    // well.
    const execArgv = ["--no-addons", "--disable-warning=ExperimentalWarning"];
    const worker = new Worker(this.#script, { env: {}, execArgv });
    let crash: unknown;
    worker.on("message", (answer: Answer<Built>) => {
      if (worker === this.#worker) this.#answered(answer);
    });
    worker.on("error", (error: unknown) => {
      crash = error;
    });
    worker.once("exit", (code) => {
      if (worker !== this.#worker) return;
      this.#worker = undefined;
      const { what } = this.#limits;
      const how = crash === undefined ? `exit code ${code}` : messageOf(crash).split("\n", 1)[0];
      const problem = `its ${what} cannot be read: the parser ended (${how})`;
      this.#fail(isFault(crash) ? machineFault(`read ${what}`, crash) : new CodeProblem(problem));
    });
    return worker;
  }

  #answered(answer: Answer<Built>): void {
    const job = this.#job;
    if (!answer.reusable) this.#end();
    this.#job = undefined;
    if (isProblem(answer)) {
      const { problem } = answer;
      job?.reject(answer.isFault ? new MachineFault(problem) : new CodeProblem(problem));
    } else job?.resolve(answer);
    this.#next();
  }

  #fail(problem: CodeProblem | MachineFault): void {
    const job = this.#job;
    this.#job = undefined;
    job?.reject(problem);
    this.#next();
  }

  #end(): void {
    void this.#worker?.terminate();
    this.#worker = undefined;
  }
}

function isProblem(answer: object): answer is Problem {
  return "problem" in answer;
}

/** The builder of this process, which all hosts share. */
export const builder: Builder = new Builder(new URL("./worker.ts", import.meta.url), systemClock);

/**
 * Reads and copies assets, for all hosts of this process. It has a thread of its own, because this takes longer than
 * reading code.
 */
export const assetKeeper: Builder<AssetJob, AssetResult> = new Builder(
  new URL("../disk/assets-worker.ts", import.meta.url),
  systemClock,
  { what: "assets", timeoutMs: ASSETS_TIMEOUT_MS },
);
