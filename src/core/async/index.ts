// The waits of the kernel and the core that the server uses as well. They are not part of the library.

export { type Limit, race, raceOr, signalLimit, timeLimit } from "../../kernel/async/race.ts";
export { joined, type MinimalSignal, onAbort } from "../../kernel/async/signal.ts";
export { type MergedPart, merged } from "./merged.ts";
export { END, Polled, polled, type Waker } from "./polled.ts";
export { pushed } from "./push.ts";
export { Serial } from "./serial.ts";
export { Waiters } from "./waiters.ts";
