import { type FileHandle, mkdir, open, readFile, rename, rm, stat } from "node:fs/promises";
import { dirname } from "node:path";
import type { Clock, Timer } from "../../../../src/kernel/clock.ts";
import type { ClientLog } from "../flags/warnings.ts";
import { decodeSnapshot, encodeSnapshot, type Snapshot } from "./format.ts";

/** Shortest time between two writes of the snapshot file. @limit ms */
const WRITE_INTERVAL_MS = 1000;
/** A write that takes long is followed by a pause this many times as long, so that a large file takes a small share of time. */
const PAUSE_FACTOR = 10;
/** Size of a snapshot file; a larger one is not read, and not written. @limit bytes */
const MAX_SNAPSHOT_BYTES = 1024 * 1024 * 1024;

export interface SnapshotFileDeps {
  readonly path: string;
  /** The address of the service. A file of another service is ignored. */
  readonly url: string;
  /** A file whose flags were confirmed longer ago is ignored. Infinity: none is too old. */
  readonly maxAgeMs: number;
  readonly clock: Clock;
  readonly log: ClientLog;
  /** Makes the name of the file that is written beside the other one unique. */
  readonly newId: () => string;
}

/** Keeps what a client knows in a file, so that its process can start while the service is away. Nothing here ever throws. */
export class SnapshotFile {
  readonly #deps: SnapshotFileDeps;
  #next: (() => Snapshot) | undefined;
  #timer: Timer | undefined;
  #writing: Promise<void> | undefined;
  #isClosed = false;
  /** The last problem, which is logged once. */
  #problem = "";

  constructor(deps: SnapshotFileDeps) {
    this.#deps = deps;
  }

  /** Returns the file's content, and how old it is in ms. Undefined if it cannot be used, which is logged, or does not exist. */
  async read(): Promise<{ readonly snapshot: Snapshot; readonly ageMs: number } | undefined> {
    const { path, url, maxAgeMs, clock, log } = this.#deps;
    const ignore = (why: string): undefined => {
      log("warn", `the snapshot file ${path} is ignored: ${why}`, { path, why });
    };
    try {
      const { size } = await stat(path);
      if (size > MAX_SNAPSHOT_BYTES) return ignore(`it has ${size} bytes, more than ${MAX_SNAPSHOT_BYTES}`);
      const snapshot = decodeSnapshot(await readFile(path));
      if (snapshot.url !== url) return ignore(`it is of ${snapshot.url}, not of ${url}`);
      const ageMs = clock.now() - snapshot.confirmedAt;
      // A clock that was set back says nothing about the age. The file counts as old, but is better than nothing.
      if (ageMs < 0) return { snapshot, ageMs: Number.POSITIVE_INFINITY };
      return ageMs > maxAgeMs ? ignore(`it is ${Math.round(ageMs / 1000)} s old`) : { snapshot, ageMs };
    } catch (error) {
      const code = (error as { code?: unknown } | undefined)?.code;
      return code === "ENOENT" ? undefined : ignore(error instanceof Error ? error.message : String(error));
    }
  }

  /** Something has changed. `latest` returns what is to be written when it is time. */
  changed(latest: () => Snapshot): void {
    this.#next = latest;
    this.#schedule(0);
  }

  /** Writes what is left, and stops. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#timer?.cancel();
    await this.#writing;
    if (this.#next !== undefined) await this.#write();
  }

  #schedule(delayMs: number): void {
    if (this.#timer !== undefined || this.#writing !== undefined || this.#isClosed || this.#next === undefined) return;
    const { clock } = this.#deps;
    this.#timer = clock.setTimer(delayMs, () => {
      this.#timer = undefined;
      const startedAt = clock.monotonic();
      this.#writing = this.#write().finally(() => {
        this.#writing = undefined;
        this.#schedule(Math.max(WRITE_INTERVAL_MS, (clock.monotonic() - startedAt) * PAUSE_FACTOR));
      });
    });
  }

  async #write(): Promise<void> {
    const { path, log, newId } = this.#deps;
    const latest = this.#next;
    this.#next = undefined;
    if (latest === undefined) return;
    const beside = `${path}.${newId()}.new`;
    try {
      const snapshot = latest();
      await mkdir(dirname(path), { recursive: true });
      await writeParts(beside, snapshot);
      await rename(beside, path);
      if (this.#problem !== "") log("info", `the snapshot file ${path} is written again`, { path });
      this.#problem = "";
    } catch (error) {
      await rm(beside, { force: true }).catch(() => {});
      const problem = error instanceof Error ? error.message : String(error);
      if (problem !== this.#problem)
        log("warn", `the snapshot file ${path} cannot be written: ${problem}`, { path, problem });
      this.#problem = problem;
    }
  }
}

/** Writes the file so that its content is on the disk before it takes the other's name. */
async function writeParts(path: string, snapshot: Snapshot): Promise<void> {
  const file: FileHandle = await open(path, "wx", 0o600);
  try {
    let bytes = 0;
    for (const part of encodeSnapshot(snapshot)) {
      bytes += part.length;
      if (bytes > MAX_SNAPSHOT_BYTES) throw new Error(`it would exceed ${MAX_SNAPSHOT_BYTES} bytes`);
      // Unlike `write`, it never writes a part of it alone.
      await file.writeFile(part);
    }
    await file.datasync();
  } finally {
    await file.close();
  }
}
