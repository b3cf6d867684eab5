// Generated from src/core/modules/host/reaper/main.ts. Do not edit.
import { readFileSync, readdirSync, readlinkSync } from "node:fs";
// src/kernel/clock.ts
/** The longest delay of the platform's timers (2^31 - 1 ms, 24.8 days). Longer ones are set in steps. */
const LONGEST_PLATFORM_DELAY_MS = 2147483647;
/** The machine's clock, the only place that makes timers. A timer keeps the process alive only if it `isAwaited`. */
const systemClock = {
	now: () => Date.now(),
	monotonic: performance.now.bind(performance),
	setTimer(delayMs, run, isAwaited = false) {
		refuseNaN(delayMs);
		const due = performance.now() + delayMs;
		let handle;
		const arm = (left) => {
			handle = left > 2147483647 ? setTimeout(() => arm(due - performance.now()), LONGEST_PLATFORM_DELAY_MS) : setTimeout(run, Math.max(0, left));
			if (!isAwaited) handle.unref();
		};
		arm(delayMs);
		return { cancel: () => clearTimeout(handle) };
	}
};
/** Runs `run` every `everyMs`, from one start to the next, until it is cancelled. */
function setRepeatingTimer(clock, everyMs, run, isAwaited = false) {
	let timer;
	let cancelled = false;
	const arm = () => {
		timer = clock.setTimer(everyMs, () => {
			arm();
			run();
		}, isAwaited);
		if (cancelled) timer.cancel();
	};
	arm();
	return { cancel() {
		cancelled = true;
		timer.cancel();
	} };
}
function refuseNaN(delayMs) {
	if (Number.isNaN(delayMs)) throw new RangeError("a timer's delay must be a number of ms, not NaN");
}
// src/core/modules/host/reaper/processes.ts
/** Reads a process from /proc. Returns undefined if the process or /proc does not exist. */
function readProcess(pid) {
	try {
		const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
		const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
		const [state, parent, group, session] = fields;
		return {
			pid,
			parent: Number(parent),
			group: Number(group),
			session: Number(session),
			zombie: state === "Z" || state === "X",
			start: fields[19] ?? ""
		};
	} catch {
		return;
	}
}
/** Reads all processes. Empty if there is no /proc. */
function readProcesses() {
	const table = /* @__PURE__ */ new Map();
	for (const name of namesIn("/proc")) {
		const found = /^\d+$/.test(name) ? readProcess(Number(name)) : void 0;
		if (found !== void 0) table.set(found.pid, found);
	}
	return table;
}
/** Returns the running processes that a thread has started. */
function childrenOfThread(pid, tid) {
	try {
		return readFileSync(`/proc/${pid}/task/${tid}/children`, "latin1").split(" ").filter(Boolean).map(Number);
	} catch {
		return [];
	}
}
/** Returns an identifier of the file that a process has open at a descriptor, or undefined if it has none. */
function readDescriptor(pid, fd) {
	try {
		return readlinkSync(`/proc/${pid}/fd/${fd}`);
	} catch {
		return;
	}
}
function namesIn(directory) {
	try {
		return readdirSync(directory);
	} catch {
		return [];
	}
}
// src/core/modules/host/reaper/family.ts
/** A root, and the processes known to descend from it. */
var Family = class {
	#root;
	/** Start times by pid, because a pid may be reused. Undefined: the process ended before its start time could be read. */
	#seen = /* @__PURE__ */ new Map();
	constructor(root) {
		this.#root = root;
		if (root.type === "process") this.#seen.set(root.pid, root.start);
	}
	/** Whether the root may start processes, so that the family must be checked regularly. */
	get grows() {
		return this.#root.type === "thread" || this.#root.mark !== void 0;
	}
	add(pid, start) {
		this.#seen.set(pid, start);
	}
	/** Records and returns the processes that belong to the family now. Later their parents may be gone. */
	remember(table) {
		const members = this.#members(table);
		const led = new Set([...table.values()].flatMap(({ group, session }) => [group, session]));
		for (const [pid, start] of this.#seen) if (!this.#isLed(table, pid, start, led)) this.#seen.delete(pid);
		for (const { pid, start } of members) this.#seen.set(pid, start);
		return members;
	}
	/**
	* Kills the whole family, including processes that are started meanwhile. It stops them first: a stopped process starts
	* no others.
	*/
	sweep() {
		const root = this.#root;
		if (root.type === "process" && root.start === void 0) {
			signal(-root.pid, "SIGKILL");
			return;
		}
		const stopped = /* @__PURE__ */ new Set();
		for (let readingsWithoutNew = 0; readingsWithoutNew < 2; readingsWithoutNew += 1) for (const { pid, zombie } of this.remember(readProcesses())) {
			if (zombie || stopped.has(pid)) continue;
			stopped.add(pid);
			readingsWithoutNew = -1;
			signal(pid, "SIGSTOP");
		}
		for (const pid of stopped) signal(pid, "SIGKILL");
	}
	#members(table) {
		const root = this.#root;
		const seen = this.#seen;
		const children = new Set(root.type === "thread" ? childrenOfThread(root.pid, root.tid) : []);
		const mark = root.type === "process" ? root.mark : void 0;
		const isLeader = (pid) => seen.has(pid) && (table.get(pid)?.start ?? seen.get(pid)) === seen.get(pid);
		const belongs = ({ pid, group, session, start }) => seen.get(pid) === start || isLeader(group) || isLeader(session) || children.has(pid) || mark !== void 0 && readDescriptor(pid, 20) === mark;
		const members = new Set([...table.values()].filter(belongs));
		const byParent = Map.groupBy(table.values(), ({ parent }) => parent);
		for (const { pid } of members) for (const child of byParent.get(pid) ?? []) members.add(child);
		return [...members];
	}
	/** Whether a group or session that this process led still has members, and its number has not been reused. */
	#isLed(table, pid, start, led) {
		return led.has(pid) && (table.get(pid)?.start ?? start) === start;
	}
};
function signal(pid, name) {
	try {
		process.kill(pid, name);
	} catch {}
}
// src/core/modules/host/reaper/main.ts
/**
* How often the reaper looks for processes that modules have started. A process that leaves its parents within this
* time, and also hides, is not found. @limit ms
*/
const LOOK_INTERVAL_MS = 500;
const families = /* @__PURE__ */ new Map();
/** Families whose roots have ended. They are swept once more. */
const left = /* @__PURE__ */ new Set();
function handle(order) {
	switch (order.type) {
		case "root":
			families.set(order.id, new Family(order.root));
			return;
		case "child":
			families.get(order.id)?.add(order.pid, order.start);
			return;
		case "sweep":
			families.get(order.id)?.sweep();
			return;
		case "ended": {
			const family = families.get(order.id);
			families.delete(order.id);
			if (family?.grows) {
				family.sweep();
				left.add(family);
			}
			process.stdout.write(`${order.id}\n`);
		}
	}
}
function end() {
	for (const family of [...families.values(), ...left]) family.sweep();
	process.exit(0);
}
const look = () => {
	for (const family of left) family.sweep();
	left.clear();
	const growing = [...families.values()].filter(({ grows }) => grows);
	if (growing.length === 0) return;
	const table = readProcesses();
	for (const family of growing) family.remember(table);
};
setRepeatingTimer(systemClock, LOOK_INTERVAL_MS, look, true);
let rest = "";
process.stdin.setEncoding("utf8");
process.stdin.on("data", (chunk) => {
	const lines = (rest + chunk).split("\n");
	rest = lines.pop() ?? "";
	for (const line of lines) handle(JSON.parse(line));
});
process.stdin.once("close", end);
process.stdin.on("error", () => {});
process.stdout.on("error", () => {});
for (const name of [
	"SIGTERM",
	"SIGINT",
	"SIGHUP"
]) process.on(name, () => {});
export {};
