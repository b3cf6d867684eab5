import { Worker } from "node:worker_threads";
import { type Clock, systemClock, type Timer } from "../../../clock.ts";
import { messageOf } from "../../../errors.ts";
import { seconds } from "../../deadline.ts";
import type { BuildRequest } from "./build.ts";
import { CodeProblem } from "./problem.ts";
import type { BuildAnswer } from "./worker.ts";

/** Time that reading a module's code may take; beyond it the module is refused with `MODULE_INVALID`. @limit ms */
const TIMEOUT_MS = 10_000;
/**
 * Time without work after which the thread that reads modules' code is ended; the next reading starts it again.
 * @limit ms
 */
const IDLE_MS = 5_000;

/** What was built of a module. */
export interface BuiltCode {
  /** Of the entry as it is on the disk. */
  readonly sha256: string;
  /** Of `bytes`. */
  readonly artifact: string;
  /** The artifact, encoded. */
  readonly bytes: Uint8Array;
}

interface Job {
  readonly request: BuildRequest;
  resolve(built: BuiltCode): void;
  reject(problem: CodeProblem): void;
}

/** Builds artifacts one after the other in a thread, which it starts when there is something to build. */
export class Builder {
  readonly #script: URL;
  readonly #clock: Clock;
  readonly #waiting: Job[] = [];
  #worker: Worker | undefined;
  #job: Job | undefined;
  #timer: Timer | undefined;

  constructor(script: URL, clock: Clock) {
    this.#script = script;
    this.#clock = clock;
  }

  /** Rejects with a CodeProblem. */
  build(request: BuildRequest): Promise<BuiltCode> {
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
    this.#worker ??= this.#start();
    this.#worker.ref();
    this.#timer = this.#clock.setTimer(TIMEOUT_MS, () => {
      this.#end();
      this.#fail(`reading its code took longer than ${seconds(TIMEOUT_MS)}`);
    });
    this.#worker.postMessage(this.#job.request);
  }

  #start(): Worker {
    // Addons may not be loaded where the code runs, so packages that have them offer something else there.
    const execArgv = ["--no-addons", "--disable-warning=ExperimentalWarning"];
    const worker = new Worker(this.#script, { env: {}, execArgv });
    let crash: string | undefined;
    worker.on("message", (answer: BuildAnswer) => {
      if (worker === this.#worker) this.#answered(answer);
    });
    worker.on("error", (error: unknown) => {
      crash = messageOf(error).split("\n", 1)[0];
    });
    worker.once("exit", (code) => {
      if (worker !== this.#worker) return;
      this.#worker = undefined;
      this.#fail(`its code cannot be read: the parser ended (${crash ?? `exit code ${code}`})`);
    });
    return worker;
  }

  #answered(answer: BuildAnswer): void {
    const job = this.#job;
    if (!answer.reusable) this.#end();
    this.#job = undefined;
    if ("problem" in answer) job?.reject(new CodeProblem(answer.problem));
    else job?.resolve(answer);
    this.#next();
  }

  #fail(problem: string): void {
    const job = this.#job;
    this.#job = undefined;
    job?.reject(new CodeProblem(problem));
    this.#next();
  }

  #end(): void {
    void this.#worker?.terminate();
    this.#worker = undefined;
  }
}

/** Of this process: its hosts share it. */
export const builder: Builder = new Builder(new URL("./worker.ts", import.meta.url), systemClock);
