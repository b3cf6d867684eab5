import { createLogWindow, DROPPED } from "../values/log-window.js";
import { MAX_LOG_BYTES } from "../wire/frames.js";
import {              toPacket } from "../wire/packets.js";
                                                        

                                                    

/**
 * Log entries that an instance sends to the service. Further ones are dropped in the instance, and counted in an entry
 * of their own. @limit entries a second
 */
const MAX_PER_SECOND = 1000;
/** Characters of a message that are kept if its entry is too long. This many always fit. */
const SHORT_MESSAGE = 8192;
/** Bytes reserved for the rest of an entry's frame. */
const BESIDE_ENTRY = 1024;

/** Returns a function that sends log entries, limited in number and size. `now`: in ms. */
export function loggingBy(send                          , now              )                         {
  const logDropped = (dropped        )       =>
    send(toPacket({ type: "log", level: "warn", message: DROPPED, fields: { dropped } })          );
  const mayPass = createLogWindow(MAX_PER_SECOND, now, logDropped);
  return (entry) => {
    if (mayPass()) send(fitting(entry));
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
