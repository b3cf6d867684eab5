// Taken before a module's code runs, which can replace these functions.
const sinceStart = performance.now.bind(performance);
const offset = Number(process.hrtime.bigint()) / 1e6 - sinceStart();

/**
 * Returns milliseconds since the machine was started, by the kernel's monotonic clock. All processes and threads of a
 * machine have the same time, so that a deadline can be sent between them. `performance.now()` starts at 0 in each of them,
 * and operators and NTP change the wall clock.
 */
export function machineTime(): number {
  return sinceStart() + offset;
}
