import type { Interceptor } from "@connectrpc/connect";
import type { Clock } from "../../core/index.ts";
import { PEER } from "../transport/peer.ts";

/**
 * Answers and stream messages that are encoded in one turn of the event loop. Further ones wait for the next turn, so
 * that encoded messages are sent, or found to be too much, before more are encoded. @limit messages
 */
const MESSAGES_PER_TURN = 16;
/** Time until a stream on a connection that is behind checks again whether it may write. @limit ms */
const ROOM_CHECK_MS = 20;

export interface Pacing {
  /** For the calls that Connect serves. */
  readonly interceptor: Interceptor;
  /**
   * Returns undefined if a message may be sent at once, else a promise of its turn. `peer`: the message belongs to a stream, and
   * its connection must have space. `isEncoded`: it needs nothing else, because it need not be encoded any more. Default: false.
   * `call`: the promise never settles if that is over before its turn.
   */
  pace(peer?: string, isEncoded?: boolean, call?: Ending): Promise<void> | undefined;
}

/**
 * Lets a limited number of messages through in each turn of the event loop, and messages of streams only while their
 * connection (by its peer) has space. Otherwise, a change for a thousand watchers, or a thousand simultaneous calls, would
 * all be encoded before the first message is sent. An answer to a single call does not wait for space, because it exists
 * already.
 */
export function createPacing(clock: Clock, room: () => (peer: string) => boolean, perTurn = MESSAGES_PER_TURN): Pacing {
  let waiting: Waiting[] = [];
  let taken = 0;
  let hasRoom = room();
  let isTurning = false;
  /** One timer for all that wait. Otherwise, each turn without progress would add another timer. */
  let isChecking = false;
  const mayGo = ({ peer }: Pick<Waiting, "peer">): boolean => taken < perTurn && (peer === undefined || hasRoom(peer));
  const turn = (): void => {
    isTurning = false;
    taken = 0;
    hasRoom = room();
    const gone: Waiting[] = [];
    waiting = waiting.filter((one) => {
      // A client that opens and ends streams without reading would fill the list.
      if (one.call?.isOver) return false;
      if (!mayGo(one)) return true;
      taken += 1;
      gone.push(one);
      return false;
    });
    if (gone.length > 0) turnSoon();
    else if (waiting.length > 0) checkSoon();
    for (const { go } of gone) go();
  };
  const turnSoon = (): void => {
    if (!isTurning) setImmediate(turn);
    isTurning = true;
  };
  const checkSoon = (): void => {
    if (isChecking) return;
    isChecking = true;
    clock.setTimer(ROOM_CHECK_MS, () => {
      isChecking = false;
      turnSoon();
    });
  };
  const pace = (peer?: string, isEncoded = false, call?: Ending): Promise<void> | undefined => {
    turnSoon();
    if (isEncoded && (peer === undefined || hasRoom(peer))) return undefined;
    if (!mayGo({ peer })) return new Promise((go) => void waiting.push({ peer, go, call }));
    taken += 1;
    return undefined;
  };
  async function* paced<T>(messages: AsyncIterable<T>, peer: string): AsyncGenerator<T> {
    // The first message may be large. It is not made before there is space for it.
    const first = pace(peer);
    if (first !== undefined) await first;
    let isFirst = true;
    for await (const message of messages) {
      const turned = isFirst ? undefined : pace(peer);
      if (turned !== undefined) await turned;
      isFirst = false;
      yield message;
    }
  }
  return {
    pace,
    interceptor: (next) => async (request) => {
      const response = await next(request);
      if (response.stream) return { ...response, message: paced(response.message, request.contextValues.get(PEER)) };
      const turned = pace();
      if (turned !== undefined) await turned;
      return response;
    },
  };
}

interface Waiting {
  /** Undefined if the message only waits for its turn. */
  readonly peer: string | undefined;
  readonly go: () => void;
  readonly call: Ending | undefined;
}

/** A call that may be over before its turn. */
interface Ending {
  readonly isOver: boolean;
}
