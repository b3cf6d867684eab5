import { constants, fstatSync, openSync, write } from "node:fs";
import { Socket } from "node:net";
import type { Destination } from "./sink.ts";

/**
 * A descriptor that was inherited (the standard output) as a place for lines. A terminal that is stopped or a pipe whose
 * reader is stuck answers at once that it is busy, instead of holding up the thread that writes.
 */
export function createOutput(fd: number): Destination {
  const own = withoutWaiting(fd);
  return {
    name: fd === 1 ? "standard output" : `descriptor ${fd}`,
    write: (bytes) =>
      new Promise((resolve, reject) => {
        write(own, bytes, (error, written) => {
          if (error !== null) reject(error);
          else resolve(written);
        });
      }),
  };
}

/** Sockets that are there to make their descriptor one that does not wait: nothing is written through them. */
const made: Socket[] = [];

function withoutWaiting(fd: number): number {
  // Writing to a file never waits for a reader; opened again it would be written from its beginning.
  if (fstatSync(fd).isFile()) return fd;
  try {
    // A description of its own, so that nobody else who has this pipe or terminal is told not to wait.
    return openSync(`/proc/self/fd/${fd}`, constants.O_WRONLY | constants.O_NONBLOCK | constants.O_NOCTTY);
  } catch {
    // No Linux, somebody else's pipe, or a socket.
  }
  try {
    const socket = new Socket({ fd, readable: false, writable: true });
    made.push(socket.on("error", () => {}).unref());
  } catch {
    // What it is, nobody knows: it is written to as it is, by another thread.
  }
  return fd;
}
