/** Time as the breakers of a client see it; tests decide what time it is. */
export { type Clock as BreakerClock, systemClock } from "../../../../src/kernel/clock.ts";
