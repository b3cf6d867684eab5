import type { Timer } from "../../../../src/kernel/clock.ts";

/** Whether a circuit hears of the service. The service's word holds while it is CONNECTED or CUT. */
export type Connection =
  /** No frame has come yet. */
  | { readonly state: "UNHEARD" }
  /** Frames come, or came until they were stale; the service's word does not hold, or not any more. */
  | { readonly state: "HEARD"; readonly heardAt: number }
  | { readonly state: "CONNECTED"; readonly heardAt: number; readonly staleness: Timer }
  /** The stream is lost. What the service said last holds until it is stale. */
  | { readonly state: "CUT"; readonly heardAt: number; readonly staleness: Timer }
  /** The stream is lost, and the service's word does not hold any more. */
  | { readonly state: "LOST"; readonly heardAt: number }
  /** For good: nothing is heard any more. */
  | { readonly state: "STOPPED"; readonly heardAt: number | undefined };

export const UNHEARD: Connection = { state: "UNHEARD" };

export function isConnected({ state }: Connection): boolean {
  return state === "CONNECTED" || state === "CUT";
}

/** When the last frame came. Undefined: never. */
export function heardAtOf(connection: Connection): number | undefined {
  return connection.state === "UNHEARD" ? undefined : connection.heardAt;
}

/** A frame came at that time. The connection itself where that says nothing new. */
export function afterFrame(connection: Connection, heardAt: number): Connection {
  if (connection.state === "STOPPED" || heardAt < (heardAtOf(connection) ?? Number.NEGATIVE_INFINITY))
    return connection;
  if (connection.state === "CONNECTED" || connection.state === "CUT")
    return { state: "CONNECTED", heardAt, staleness: connection.staleness };
  return { state: "HEARD", heardAt };
}

/** The stream is lost. */
export function afterCut(connection: Connection): Connection {
  switch (connection.state) {
    case "CONNECTED":
      return { ...connection, state: "CUT" };
    case "HEARD":
      return { ...connection, state: "LOST" };
    default:
      return connection;
  }
}

/** The service's word does not hold any more. */
export function disconnected(connection: Connection): Connection {
  switch (connection.state) {
    case "CONNECTED":
      return { state: "HEARD", heardAt: connection.heardAt };
    case "CUT":
      return { state: "LOST", heardAt: connection.heardAt };
    default:
      return connection;
  }
}
