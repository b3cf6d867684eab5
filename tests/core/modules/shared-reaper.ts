import { createReaper } from "../../../src/core/modules/host/reaper/index.ts";
import { systemClock } from "../../../src/kernel/clock.ts";

/** Of all hosts that tests in this process make: to start one takes longer than many a test. It ends with the process. */
export const sharedReaper = createReaper(systemClock);
