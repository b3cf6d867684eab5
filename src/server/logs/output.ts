import { constants, fstatSync, openSync, write } from "node:fs";
import { Socket } from "node:net";
import type { Destination } from "./sink.ts";

/**
 * Writes lines to an inherited descriptor, such as the standard output. If a terminal is stopped or a pipe's reader is
 * stuck, it reports "busy" at once instead of blocking the writing thread.
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

/** Sockets that exist only to make their descriptor non-blocking. Nothing is written through them. */
const made: Socket[] = [];

function withoutWaiting(fd: number): number {
  // Writing to an ordinary file never blocks. If it were opened again, it would be written from its beginning.
  if (fstatSync(fd).isFile()) return fd;
  try {
    // A file description of its own, so that other users of the pipe or terminal do not become non-blocking.
    return openSync(`/proc/self/fd/${fd}`, constants.O_WRONLY | constants.O_NONBLOCK | constants.O_NOCTTY);
  } catch {
    // The system is not Linux, the pipe belongs to another user, or this is a socket.
  }
  try {
    const socket = new Socket({ fd, readable: false, writable: true });
    made.push(socket.on("error", () => {}).unref());
  } catch {
    // The kind of descriptor is unknown. Another thread writes to it without changes.
  }
  return fd;
}
