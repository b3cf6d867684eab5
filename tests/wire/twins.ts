import { createEngine, createManualClock, type Engine } from "../../src/core/index.ts";
import { compileExpectation } from "../../src/server/cel/expectation.ts";
import { type Server, startServer } from "../../src/server/server.ts";
import { ROOT } from "../core/modules/rig.ts";
import { type Answer, Caller, type Sent } from "./raw.ts";

/** What each of two servers has answered to the same request. */
export interface Both {
  readonly direct: Answer;
  readonly connect: Answer;
}

/** Two servers with the same past: one serves calls directly, the other passes all of them to Connect. */
export interface Twins {
  /** Sends the same request to each of them. */
  ask(sent: Sent): Promise<Both>;
  /** Where each of them listens. */
  readonly ports: { readonly direct: number; readonly connect: number };
  close(): Promise<void>;
}

/**
 * Starts two servers. Each has an engine of its own, because a change cannot be made twice on one. Their clocks stand still and
 * their ids are numbered, so the same requests in the same order must have the same answers.
 */
export async function startTwins(): Promise<Twins> {
  const one = await startOne(false);
  const other = await startOne(true);
  return {
    ports: { direct: one.server.port, connect: other.server.port },
    async ask(sent) {
      const [direct, connect] = await Promise.all([one.caller.send(sent), other.caller.send(sent)]);
      return { direct, connect };
    },
    async close() {
      for (const { caller, server, engine } of [one, other]) {
        caller.close();
        await server.drain();
        await engine.close();
      }
    },
  };
}

interface Twin {
  readonly caller: Caller;
  readonly server: Server;
  readonly engine: Engine;
}

async function startOne(onlyConnect: boolean): Promise<Twin> {
  const clock = createManualClock();
  let ids = 0;
  // Ids in requests must be UUIDs, and those of the service may be.
  const newId = (): string => `00000000-0000-4000-8000-${String(++ids).padStart(12, "0")}`;
  const engine = await createEngine({ modulesRoot: ROOT, clock, newId, compileExpectation });
  const given = { engine, host: "127.0.0.1", port: 0, version: "1", log: () => {}, clock, newId, graceMs: 0 };
  const server = await startServer({ ...given, onlyConnect });
  await engine.modules.settled;
  return { caller: new Caller(server.url), server, engine };
}
