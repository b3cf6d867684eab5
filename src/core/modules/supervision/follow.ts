import type { Delta } from "../../store/collection.ts";
import type { Generations } from "../calls/generations.ts";
import type { Router } from "../calls/router.ts";
import type { Upcoming } from "../calls/upcoming.ts";
import { isRunning } from "../record/lifecycle.ts";
import type { ModuleRecord } from "../record/record.ts";
import type { Supervisor } from "./supervise.ts";

/** The parts that are kept in line with the record of a module. */
export interface Followers {
  readonly router: Router;
  readonly generations: Generations;
  readonly upcoming: Upcoming;
  readonly supervisor: Supervisor;
}

/** Routes calls by the record of the module, in the same tick in which the record changes. */
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
  // If it was unloaded, there is no restart to wait for.
  if (desired === "UNLOADED" && lifecycle.state !== "LOADING") upcoming.forget(name);
  const lane = router.lane(name);
  const generation = isRunning(lifecycle) ? generations.find(name, lifecycle.running.generation) : undefined;
  // A swap has already routed the calls by its journal entry. An older record must not route them back.
  if (generation?.isRetired) return;
  if (lifecycle.state === "ACTIVE" && generation !== undefined) {
    generation.serve();
    lane.route(generation, registration.concurrency);
  } else if (lifecycle.state === "FAILED") {
    const { message } = lifecycle.failure;
    lane.close(() => router.crashed(name, message));
  } else lane.close(() => router.notServing(resource));
  // It may have ended while this change was being stored.
  if (generation?.ending !== undefined && !generation.ending.expected) supervisor.crashed(name, generation);
}
