import type { Delta } from "../../store/collection.ts";
import type { Generations } from "../calls/generations.ts";
import type { Router } from "../calls/router.ts";
import type { Upcoming } from "../calls/upcoming.ts";
import { isRunning } from "../record/lifecycle.ts";
import type { ModuleRecord } from "../record/record.ts";
import type { Supervisor } from "./supervise.ts";

/** What follows the record of a module. */
export interface Followers {
  readonly router: Router;
  readonly generations: Generations;
  readonly upcoming: Upcoming;
  readonly supervisor: Supervisor;
}

/** Routes calls as the record says, in the very tick in which the record changes. */
export function follow(
  { name, resource }: Delta<ModuleRecord>,
  { router, generations, upcoming, supervisor }: Followers,
): void {
  if (resource === undefined) {
    router.forget(name);
    supervisor.forget(name);
    upcoming.forget(name);
    return;
  }
  const { lifecycle, registration, desired } = resource.record;
  // It was unloaded: there is no restart to wait for.
  if (desired === "UNLOADED" && lifecycle.state !== "LOADING") upcoming.forget(name);
  const lane = router.lane(name);
  const generation = isRunning(lifecycle) ? generations.find(name, lifecycle.running.generation) : undefined;
  // A swap has routed calls by its journal already; the record is late, and must not send them back.
  if (generation?.isRetired) return;
  if (lifecycle.state === "ACTIVE" && generation !== undefined) {
    generation.serve();
    lane.route(generation, registration.concurrency);
  } else if (lifecycle.state === "FAILED") {
    const { message } = lifecycle.failure;
    lane.close(() => router.crashed(name, message));
  } else lane.close(() => router.notServing(resource));
  // It may have ended while this change was on its way to the disk.
  if (generation?.ending !== undefined && !generation.ending.expected) supervisor.crashed(name, generation);
}
