import type { Delta } from "../../store/collection.ts";
import type { Generations } from "../calls/generations.ts";
import type { Router } from "../calls/router.ts";
import type { Upcoming } from "../calls/upcoming.ts";
import { isRunning } from "../record/lifecycle.ts";
import type { ModuleRecord } from "../record/record.ts";
import type { Supervisor } from "./supervise.ts";

/** Those that a change of a record matters to. */
export interface Followers {
  readonly router: Router;
  readonly generations: Generations;
  readonly upcoming: Upcoming;
  readonly supervisor: Supervisor;
}

/** Lets calls go where the record says, in the moment in which the record changes. */
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
  // It was unloaded, and no restart is made.
  if (desired === "UNLOADED" && lifecycle.state !== "LOADING") upcoming.forget(name);
  const lane = router.lane(name);
  const generation = isRunning(lifecycle) ? generations.find(name, lifecycle.running.generation) : undefined;
  // A swap has switched by its journal, in which the record still has to follow: nothing is to be sent back.
  if (generation?.isRetired) return;
  if (lifecycle.state === "ACTIVE" && generation !== undefined) {
    generation.serve();
    lane.route(generation, registration.concurrency);
  } else if (lifecycle.state === "FAILED") {
    const { message } = lifecycle.failure;
    lane.close(() => router.crashed(name, message));
  } else lane.close(() => router.notServing(resource));
  // It may have ended while the change that made it the one to run was on its way to the disk.
  if (generation?.ending !== undefined && !generation.ending.expected) supervisor.crashed(name, generation);
}
