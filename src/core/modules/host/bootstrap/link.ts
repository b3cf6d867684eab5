import { parentPort } from "node:worker_threads";
import type { FromInstance, ToInstance } from "../protocol.ts";

/** The way to the service, whether this is a thread or a process. */
export interface Link {
  /** Throws what cannot be sent. */
  send(message: FromInstance): void;
  onMessage(listen: (message: ToInstance) => void): void;
  /** Ends this thread or process. */
  end(code: number): void;
}

/** Opens the link. A process whose service is gone ends. */
export function openLink(): Link {
  const port = parentPort;
  if (port !== null) {
    return {
      send: (message) => port.postMessage(message),
      onMessage: (listen) => void port.on("message", listen),
      end: (code) => process.exit(code),
    };
  }
  // The module must not get hold of the channel by `process`.
  const send = process.send?.bind(process);
  process.on("disconnect", () => process.exit(0));
  return {
    send: (message) => void send?.(message, undefined, undefined, () => {}),
    onMessage: (listen) => void process.on("message", (message) => listen(message as ToInstance)),
    end: (code) => process.exit(code),
  };
}
