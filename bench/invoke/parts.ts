import { deserialize, serialize } from "node:v8";
import { MessageChannel, receiveMessageOnPort } from "node:worker_threads";
import type { Payload } from "../../src/core/index.ts";
import { isJson } from "../../src/core/modules/host/values/json.ts";
import { isWide } from "../../src/core/modules/host/values/wide.ts";
import { refuseOther } from "../../src/core/modules/host/wire/clone.ts";
import type { Awaited } from "../../src/core/modules/host/wire/frames.ts";
import { type Packet, toPacket } from "../../src/core/modules/host/wire/packets.ts";
import { checkPacket, fromPost, movedIn } from "../../src/core/modules/host/wire/posts.ts";

/** One thing that is done for a message, and what it costs. */
export interface Part {
  readonly part: string;
  /** CPU time of this thread, in µs. */
  readonly cpu: number;
}

const ROUNDS = 15;
/** CPU time of a turn, in µs. The kernel counts in steps of some ms. */
const TURN = 24_000;
/** Values that stay alive, as those of calls in flight do. */
const ALIVE = 64;

const AWAITED: Awaited = { isAwaited: () => true, isStateAwaited: () => true };

/**
 * Measures what the sending and the receiving of one JSON value cost, whole and in parts. The parts take turns, and their
 * garbage counts. It is CPU time, so that waiting for a core does not count.
 */
export function measureParts(payload: Payload): Part[] {
  const { json } = payload as { readonly json: unknown };
  const { port1, port2 } = new MessageChannel();
  const received = (): unknown => receiveMessageOnPort(port2)?.message as unknown;
  const text = JSON.stringify(json);
  const clone = serialize(json);
  const bare = (): unknown => {
    port1.postMessage({ id: 1, value: payload });
    return received();
  };
  const ours = (): unknown => {
    const packet = checkPacket(toPacket({ type: "output", id: 1, output: payload }) as Packet);
    port1.postMessage(packet, movedIn([packet]));
    return fromPost(received(), AWAITED);
  };
  const ofClones: Record<string, () => unknown> = {
    "write a clone": () => serialize(json),
    "read a clone": () => deserialize(clone),
    "check a clone": () => refuseOther(clone),
  };
  const ofTexts: Record<string, () => unknown> = {
    "write text": () => JSON.stringify(json),
    "read text": () => JSON.parse(text) as unknown,
  };
  const work: Record<string, () => unknown> = {
    "bare message to a thread": bare,
    "ours to a thread": ours,
    ...(isWide(json) ? ofClones : ofTexts),
    "check that a value is JSON": () => isJson(json),
    "look for wide objects": () => isWide(json),
  };
  const seen = Object.fromEntries(Object.keys(work).map((part) => [part, { cpu: 0, count: 0 }]));
  const alive: unknown[] = [];
  for (let round = 0; round < ROUNDS; round += 1) {
    for (const [part, run] of Object.entries(work)) {
      const start = cpuOfThread();
      let [cpu, count] = [0, 0];
      while (cpu < TURN) {
        for (let times = 0; times < 50; times += 1) alive[(count + times) % ALIVE] = run();
        count += 50;
        cpu = cpuOfThread() - start;
      }
      const sum = seen[part];
      // The first rounds compile the code.
      if (sum !== undefined && round >= ROUNDS / 5)
        Object.assign(sum, { cpu: sum.cpu + cpu, count: sum.count + count });
    }
  }
  port1.close();
  return Object.entries(seen).map(([part, { cpu, count }]) => ({ part, cpu: cpu / count }));
}

function cpuOfThread(): number {
  const { user, system } = process.threadCpuUsage();
  return user + system;
}
