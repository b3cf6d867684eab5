                                                   
import { MAX_LOG_BYTES } from "./frames.js";
import {              toPacket } from "./packets.js";

                                                    

/**
 * Entries that an instance sends to the service's log; more are dropped in the instance, and counted in an entry of their
 * own. @limit entries a second
 */
const MAX_PER_SECOND = 1000;
/** Of a message whose entry is too long: so much of it fits, whatever its characters are. */
const SHORT_MESSAGE = 8192;
/** What goes with an entry in a frame, and more. */
const BESIDE_ENTRY = 1024;

/** Sends entries of the log, few enough and short enough for the service. `now`: in ms. */
export function loggingBy(send                          , now              )                         {
  let windowStart = Number.NEGATIVE_INFINITY;
  let inWindow = 0;
  let dropped = 0;
  return (entry) => {
    const time = now();
    if (time - windowStart >= 1000) {
      [windowStart, inWindow] = [time, 0];
      if (dropped > 0) {
        send(
          toPacket({ type: "log", level: "warn", message: "log entries were dropped", fields: { dropped } })          ,
        );
      }
      dropped = 0;
    }
    inWindow += 1;
    if (inWindow > MAX_PER_SECOND) dropped += 1;
    else send(fitting(entry));
  };
}

function fitting(entry       )         {
  const packet = toPacket(entry)          ;
  const text = packet[6]          ;
  if (text.length * 3 <= MAX_LOG_BYTES - BESIDE_ENTRY) return packet;
  const bytes = Buffer.byteLength(text);
  if (bytes <= MAX_LOG_BYTES - BESIDE_ENTRY) return packet;
  const message = `${entry.message.slice(0, SHORT_MESSAGE)}…`;
  const fields = { cut: `the entry has ${bytes} bytes, more than ${MAX_LOG_BYTES}` };
  return toPacket({ ...entry, message, fields })          ;
}
