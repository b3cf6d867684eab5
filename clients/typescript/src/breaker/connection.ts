import type { Timer } from "../../../../src/kernel/clock.ts";

/** The connection of a circuit to the service. While it is CONNECTED or CUT, the state that the service sent applies. */
export type Connection =
  /** No frame has arrived yet. */
  | { readonly state: "UNHEARD" }
  /** Frames have arrived, but the state that the service sent does not apply yet, or is stale. */
  | { readonly state: "HEARD"; readonly heardAt: number }
  | { readonly state: "CONNECTED"; readonly heardAt: number; readonly staleness: Timer }
  /** The stream is lost. The state that the service sent last applies until it is stale. */
  | { readonly state: "CUT"; readonly heardAt: number; readonly staleness: Timer }
  /** The stream is lost, and the state that the service sent is stale. */
  | { readonly state: "LOST"; readonly heardAt: number }
  /** The circuit is closed, and follows the service no more. */
  | { readonly state: "STOPPED"; readonly heardAt: number | undefined };

export const UNHEARD: Connection = { state: "UNHEARD" };

export function isConnected({ state }: Connection): boolean {
  return state === "CONNECTED" || state === "CUT";
}

/** Returns when the last frame arrived. Undefined: no frame has arrived. */
export function heardAtOf(connection: Connection): number | undefined {
  return connection.state === "UNHEARD" ? undefined : connection.heardAt;
}

/** Returns the connection after a frame arrived at that time. If nothing changes, returns the same object. */
export function afterFrame(connection: Connection, heardAt: number): Connection {
  if (connection.state === "STOPPED" || heardAt < (heardAtOf(connection) ?? Number.NEGATIVE_INFINITY))
    return connection;
  if (connection.state === "CONNECTED" || connection.state === "CUT")
    return { state: "CONNECTED", heardAt, staleness: connection.staleness };
  return { state: "HEARD", heardAt };
}

/** Returns the connection after the stream was lost. */
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

/** Returns the connection after the state that the service sent has become stale. */
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
