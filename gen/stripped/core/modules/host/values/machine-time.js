// Taken before any code of a module can put others in their place.
const sinceStart = performance.now.bind(performance);
const offset = Number(process.hrtime.bigint()) / 1e6 - sinceStart();

/**
 * Ms since the machine was started, by the kernel's monotonic clock: the same in every process and thread of the machine,
 * so that a deadline can be sent from one to another. `performance.now()` counts from the start of each of them; the wall
 * time, which they have in common, is stepped by operators and NTP.
 */
export function machineTime()         {
  return sinceStart() + offset;
}
