// Generated from src/core/modules/host/inside/main.ts. Do not edit.
import { isBuiltin, registerHooks, stripTypeScriptTypes, syncBuiltinESMExports } from "node:module";
import { AsyncLocalStorage } from "node:async_hooks";
import v8, { deserialize, serialize } from "node:v8";
import { fileURLToPath, pathToFileURL } from "node:url";
import { types } from "node:util";
import { isAbsolute, join, relative, resolve, sep } from "node:path";
import { Socket } from "node:net";
import { isMainThread, parentPort, receiveMessageOnPort, workerData } from "node:worker_threads";
import { closeSync, realpathSync } from "node:fs";
import { subscribe } from "node:diagnostics_channel";
import { performance as performance$1 } from "node:perf_hooks";
import { runInNewContext } from "node:vm";
// src/core/modules/host/values/machine-time.ts
const sinceStart = performance.now.bind(performance);
const offset = Number(process.hrtime.bigint()) / 1e6 - sinceStart();
/**
* Returns milliseconds since the machine was started, by the kernel's monotonic clock. All processes and threads of a
* machine have the same time, so that a deadline can be sent between them. `performance.now()` starts at 0 in each of them,
* and operators and NTP change the wall clock.
*/
function machineTime() {
	return sinceStart() + offset;
}
// src/core/modules/host/values/places.ts
/**
* Replacements in stacks: the directory in which the module's code runs, and the one in which its author has it, each as a
* URL and as a path.
*/
let replacements = [];
/** From now on, `asWritten` replaces the directory `from` by the directory `to`. */
function translatePlaces(from, to) {
	replacements = [[pathToFileURL(from).href, pathToFileURL(to).href], [from, to]];
}
/** Returns a stack with the paths that the module's author knows. */
function asWritten(stack) {
	return replacements.reduce((text, [from, to]) => text.replaceAll(from, to), stack);
}
// src/core/modules/host/values/shapes.ts
/**
* Returns the shape of an object, by the rules in docs/modules.md. May throw what the object's own code throws. `key` is
* the name or index of the object in its parent, which is passed to `toJSON`.
*/
function shapeOf(object, key) {
	if (types.isTypedArray(object)) return shapeOfNumbers(object);
	if (types.isDate(object) && Number.isNaN(object.getTime())) return refused("is an invalid date");
	const { toJSON } = object;
	if (typeof toJSON === "function") return {
		is: "value",
		value: () => toJSON.call(object, key)
	};
	if (types.isDate(object)) return {
		is: "value",
		value: () => object.toISOString()
	};
	if (Array.isArray(object)) return shapeOfList(object);
	if (types.isMap(object)) return shapeOfMap(object);
	if (types.isSet(object)) return {
		is: "list",
		items: object
	};
	if (types.isBoxedPrimitive(object)) return {
		is: "value",
		value: () => object.valueOf()
	};
	if (isError(object)) return shapeOfError(object);
	if (types.isAnyArrayBuffer(object) || types.isDataView(object)) return refused(`is ${aName(object)}, which JSON does not have; a Uint8Array holds bytes`);
	if (typeof object.then === "function") return refused("is a promise, which JSON does not have; await it first");
	if (Symbol.iterator in object || Symbol.asyncIterator in object) return refused(`is ${aName(object)}, which JSON does not have; convert its items to a list or an object`);
	return shapeOfMembers(object);
}
/** Whether an object is a plain object, not an instance of a class. */
function isPlainObject(object) {
	const prototype = Object.getPrototypeOf(object);
	if (prototype === null || prototype === Object.prototype) return true;
	if (Object.getPrototypeOf(prototype) === null && Object.hasOwn(prototype, "isPrototypeOf")) return true;
	return object === process.env;
}
/** Whether a value is an error of any realm. Never throws. */
function isError(value) {
	try {
		return types.isNativeError(value) || value instanceof Error;
	} catch {
		return false;
	}
}
/** Returns the name of an object's class with an article, such as `a Map`. */
function aName(object) {
	const name = nameOf$1(object);
	return `${/^[aeiou]/i.test(name) ? "an" : "a"} ${name}`;
}
/** Returns the name of an object's class, of at most 64 characters, or `object` if it cannot be read. */
function nameOf$1(object) {
	try {
		const name = object.constructor?.name;
		return ((typeof name === "string" && name !== "" && name !== "Object" ? name : void 0) ?? Object.prototype.toString.call(object).slice(8, -1)).slice(0, 64);
	} catch {
		return "object";
	}
}
/** The problem of an object without readable members: neither JSON nor a structured clone would contain anything of it. */
function hiddenProblem(object) {
	return `is ${aName(object)} whose content cannot be read`;
}
/** Members of an error, in this order. Its other enumerable members follow. */
const ERROR_MEMBERS = [
	"name",
	"message",
	"code",
	"cause",
	"errors"
];
const refused = (problem) => ({
	is: "refused",
	problem
});
function shapeOfNumbers(numbers) {
	if (numbers.buffer instanceof ArrayBuffer && numbers.buffer.detached) return refused(`is ${aName(numbers)} whose memory was transferred`);
	return {
		is: "list",
		items: numbers
	};
}
function shapeOfList(list) {
	if (list.length === 0 && Object.keys(list).length > 0) return refused("is a list with named members but no elements, which JSON does not have; use an object");
	return {
		is: "list",
		items: list
	};
}
function shapeOfMap(map) {
	if (map.keys().every((key) => typeof key === "string")) return {
		is: "members",
		names: map.keys(),
		get: (name) => map.get(name)
	};
	const byName = /* @__PURE__ */ new Map();
	for (const [key, value] of map) {
		if (!(typeof key === "string" || typeof key === "number" || typeof key === "bigint") || byName.has(String(key))) return {
			is: "entries",
			entries: map
		};
		byName.set(String(key), value);
	}
	return {
		is: "members",
		names: byName.keys(),
		get: (name) => byName.get(name)
	};
}
function shapeOfError(error) {
	const members = error;
	return {
		is: "members",
		names: /* @__PURE__ */ new Set([...ERROR_MEMBERS.filter((name) => name in error), ...Object.keys(error)]),
		get: (name) => members[name]
	};
}
function shapeOfMembers(object) {
	const names = Object.keys(object);
	if (names.length === 0 && !isEmpty(object)) return refused(`${hiddenProblem(object)}; give it a toJSON(), or convert it to a plain object`);
	return {
		is: "members",
		names,
		get: (name) => object[name]
	};
}
/** Whether an object without enumerable members is really empty: a plain object without hidden members. */
function isEmpty(object) {
	return isPlainObject(object) && Reflect.ownKeys(object).length === 0;
}
// src/core/modules/host/values/json.ts
/** Nesting of a method's answer; the call of a deeper one fails with `MODULE_METHOD_FAILED`. @limit levels */
const MAX_DEPTH = 200;
/**
* Converts a value to JSON by the rules in docs/modules.md. Throws a TypeError for a value that is refused; its message
* names the place of the value, starting with `root`. A value that is JSON already is returned as it is; its names are not
* checked, see `checkNames`.
*/
function toJson(value, root) {
	return isJson(value) ? value : convert(value, root);
}
/** Converts like `toJson`, and also throws if the budget is used up. Always returns a copy. */
function toSmallJson(value, root, budget) {
	return convert(value, root, budget);
}
/** Whether a value is JSON already. Its names are not checked, see `checkNames`. */
function isJson(value) {
	try {
		return isPlain(value, 0);
	} catch {
		return false;
	}
}
/** Whether a value is JSON already, as nearly all values are. A cycle exceeds the depth, and so is not plain. */
function isPlain(value, depth) {
	switch (typeof value) {
		case "string": return value.isWellFormed();
		case "boolean": return true;
		case "number": return Number.isFinite(value);
		case "object": break;
		default: return false;
	}
	if (value === null) return true;
	if (depth >= MAX_DEPTH || "toJSON" in value) return false;
	if (Array.isArray(value)) {
		for (const item of value) if (!isPlain(item, depth + 1)) return false;
		return value.length > 0 || Object.keys(value).length === 0;
	}
	const prototype = Object.getPrototypeOf(value);
	if (prototype !== Object.prototype && prototype !== null) return false;
	let isSeenEmpty = true;
	for (const key in value) {
		isSeenEmpty = false;
		const member = value[key];
		if (!(typeof member === "number" ? Number.isFinite(member) : isPlain(member, depth + 1))) return false;
	}
	return !isSeenEmpty || isEmpty(value);
}
/**
* Throws a TypeError for a JSON value with a lone surrogate in a name. Checking this in every value would cost too much.
*/
function checkNames$1(json, root) {
	if (hasHalfName(json)) convert(json, root);
}
function hasHalfName(json) {
	if (typeof json !== "object" || json === null) return false;
	if (Array.isArray(json)) return json.some(hasHalfName);
	return Object.entries(json).some(([name, member]) => !name.isWellFormed() || hasHalfName(member));
}
const HALF_A_CHARACTER = "has half a character (a lone surrogate), which JSON does not have";
function convert(whole, root, budget) {
	const place = [];
	const above = /* @__PURE__ */ new Set();
	const refusal = (problem) => /* @__PURE__ */ new TypeError(`${placeText(root, place)} ${problem}`);
	/** Runs the value's own code, such as an accessor. Its errors become refusals. */
	const asked = (what, ask) => {
		try {
			return ask();
		} catch (thrown) {
			throw refusal(`${what}: ${messageIn(thrown)}`);
		}
	};
	const spend = (characters) => {
		if (budget === void 0) return;
		budget.parts -= 1;
		budget.characters -= characters;
		if (budget.parts < 0 || budget.characters < 0) throw refusal("is too large");
	};
	const jsonOf = (value) => {
		switch (typeof value) {
			case "undefined": return null;
			case "boolean": return value;
			case "string":
				spend(value.length);
				if (value.isWellFormed()) return value;
				throw refusal(HALF_A_CHARACTER);
			case "number":
				spend(0);
				if (Number.isFinite(value)) return value;
				throw refusal(`is ${value}, which JSON does not have`);
			case "bigint": {
				const { toJSON } = value;
				if (typeof toJSON === "function") return jsonOf(asked("has a toJSON that fails", () => toJSON.call(value)));
				throw refusal("is a bigint, which JSON does not have; String() converts it to text");
			}
			case "object": return value === null ? null : objectOf(value);
			default: throw refusal(`is a ${typeof value}, which JSON does not have`);
		}
	};
	const objectOf = (value) => {
		if (above.has(value)) throw refusal("contains itself");
		if (above.size >= MAX_DEPTH) throw refusal(`is nested deeper than ${MAX_DEPTH}`);
		above.add(value);
		spend(0);
		const shape = asked("cannot be read", () => shapeOf(value, String(place.at(-1) ?? "")));
		switch (shape.is) {
			case "refused": throw refusal(shape.problem);
			case "entries": throw refusal("is a Map with keys that cannot be member names; make a list of its entries");
			case "value": {
				const stands = asked("has a toJSON that fails", shape.value);
				if (stands === void 0) throw refusal("has a toJSON that returns undefined");
				const converted = jsonOf(stands);
				above.delete(value);
				return converted;
			}
			case "list": {
				const list = listOf(value, shape.items);
				above.delete(value);
				return list;
			}
			case "members": {
				const members = {};
				for (const name of shape.names) {
					place.push(name);
					spend(name.length);
					if (!name.isWellFormed()) throw refusal(HALF_A_CHARACTER);
					const member = asked("cannot be read", () => shape.get(name));
					if (member !== void 0) put(members, name, jsonOf(member));
					place.pop();
				}
				above.delete(value);
				return members;
			}
		}
	};
	const listOf = (value, items) => {
		const list = [];
		const isArray = Array.isArray(value);
		for (const item of items) {
			place.push(list.length);
			if (item === void 0 && isArray && !(list.length in value)) throw refusal("is a missing element of a list");
			list.push(jsonOf(item));
			place.pop();
		}
		return list;
	};
	return jsonOf(whole);
}
function put(members, name, value) {
	if (name !== "__proto__") members[name] = value;
	else Object.defineProperty(members, name, {
		value,
		enumerable: true,
		configurable: true,
		writable: true
	});
}
/** Length of the place in a value that an error shows; its middle is omitted. @limit characters */
const MAX_PLACE = 400;
/** Length of one name in the place that an error shows; the rest is cut. @limit characters */
const MAX_NAME$1 = 64;
/** Formats a place as code would write it, such as `output.fills[2].price`. */
function placeText(root, place) {
	const text = root + place.map((step) => {
		if (typeof step === "number") return `[${step}]`;
		const name = step.length <= MAX_NAME$1 ? step : `${step.slice(0, MAX_NAME$1)}…`;
		return /^[\p{L}_$][\p{L}\p{N}_$]*$/u.test(name) ? `.${name}` : `[${JSON.stringify(name)}]`;
	}).join("");
	return text.length <= MAX_PLACE ? text : `${text.slice(0, MAX_PLACE / 2)} … ${text.slice(-200)}`;
}
/** Returns the message of a thrown value, cut to 1,000 characters. Never throws. */
function messageIn(thrown) {
	try {
		const { message } = thrown ?? {};
		return typeof message === "string" ? message.slice(0, 1e3) : String(thrown).slice(0, 1e3);
	} catch {
		return "it threw a value that cannot be read";
	}
}
// src/core/modules/host/values/state.ts
/**
* Throws a TypeError that names the place if a structured clone of the state would fail or lose something. This refuses
* functions, symbols, promises, proxies, shared memory and the like, and objects whose content cannot be read, which a
* clone would make empty.
*/
function checkState(state) {
	const seen = /* @__PURE__ */ new Set();
	const open = [];
	const refusal = (place, problem) => {
		const steps = [];
		for (let at = place; at !== void 0; at = at.above) steps.unshift(at.step);
		return /* @__PURE__ */ new TypeError(`${placeText("state", steps)} ${problem}`);
	};
	const look = (value, place) => {
		if (typeof value === "function" || typeof value === "symbol") throw refusal(place, `is a ${typeof value}, which cannot be handed over`);
		if (typeof value !== "object" || value === null || seen.has(value)) return;
		seen.add(value);
		const problem = problemOf(value);
		if (problem !== void 0) throw refusal(place, problem);
		if (!isWhole(value)) open.push({
			value,
			place
		});
	};
	const lookInside = (object, above) => {
		if (types.isMap(object)) {
			let number = 0;
			for (const [key, value] of object) {
				const step = typeof key === "string" || typeof key === "number" ? String(key) : `entry ${number}`;
				number += 1;
				look(key, {
					above,
					step
				});
				look(value, {
					above,
					step
				});
			}
		} else if (types.isSet(object)) {
			let step = 0;
			for (const value of object) {
				look(value, {
					above,
					step
				});
				step += 1;
			}
		} else if (types.isNativeError(object)) {
			if ("cause" in object) look(object.cause, {
				above,
				step: "cause"
			});
		} else if (Array.isArray(object) && isDense(object)) for (let step = 0; step < object.length; step += 1) look(object[step], {
			above,
			step
		});
		else for (const name of Object.keys(object)) {
			const place = {
				above,
				step: name
			};
			let value;
			try {
				value = object[name];
			} catch (thrown) {
				throw refusal(place, `cannot be read: ${messageIn(thrown)}`);
			}
			look(value, place);
		}
	};
	look(state, void 0);
	for (let next = open.pop(); next !== void 0; next = open.pop()) lookInside(next.value, next.place);
}
/** Returns why an object cannot be handed over, whatever its members are, or undefined if it can. */
function problemOf(object) {
	if (types.isProxy(object)) return "is a Proxy, which cannot be handed over; convert it to a plain object";
	if (types.isSharedArrayBuffer(object)) return SHARED;
	if (types.isArrayBufferView(object)) return memoryProblem(object.buffer);
	if (types.isArrayBuffer(object)) return memoryProblem(object);
	if (types.isBoxedPrimitive(object)) return types.isSymbolObject(object) ? "is a symbol" : void 0;
	if (types.isMap(object) || types.isSet(object) || types.isDate(object) || types.isRegExp(object)) return void 0;
	if (types.isNativeError(object) || Array.isArray(object)) return void 0;
	if (types.isPromise(object)) return "is a promise, which cannot be handed over; await it first";
	if (types.isArgumentsObject(object) || types.isModuleNamespaceObject(object)) return `is ${aName(object)}, which cannot be handed over; convert it to a list or a plain object`;
	if (Object.keys(object).length > 0 || isPlainObject(object) || isEmpty(object)) return void 0;
	return `${hiddenProblem(object)}; hand over plain data, and create the object from it in importState`;
}
const SHARED = "is shared memory, which cannot be handed over; copy it first";
function memoryProblem(buffer) {
	if (types.isSharedArrayBuffer(buffer)) return SHARED;
	return buffer.detached ? "is memory that was transferred" : void 0;
}
/** Whether an object has no members that must be checked. */
function isWhole(object) {
	return types.isArrayBufferView(object) || types.isArrayBuffer(object) || types.isDate(object) || types.isRegExp(object) || types.isBoxedPrimitive(object);
}
/** Longest list whose items are always visited by index. */
const LOOKED_AT = 1e3;
/** Whether a list is visited by index. A longer list is taken as sparse if its first or last item is missing. */
function isDense(list) {
	return list.length <= LOOKED_AT || 0 in list && list.length - 1 in list;
}
// src/core/modules/host/values/version.ts
/** Returns the version that is asked for. Without one, returns the class's version, and without that, `otherwise`. */
function chosenVersion({ asked, otherwise }, ofClass) {
	return asked || (ofClass ?? otherwise);
}
// src/core/modules/host/values/readable.ts
/** Longest BigInt, in bits, whose digits are shown. */
const SHOWN_BITS = 4096;
/**
* Converts any value to JSON for a reader, such as in a log. A value that JSON does not have becomes a text in brackets
* that says what it is, such as `[function f]`. Parts beyond the bounds are cut. Never throws.
*/
function toReadable(whole, bounds) {
	let { parts, characters } = bounds;
	const above = /* @__PURE__ */ new Set();
	const text = (value) => {
		const kept = value.length <= characters ? value : `${value.slice(0, characters)}…`;
		characters -= Math.min(value.length, characters);
		return kept.toWellFormed();
	};
	const convert = (value, key) => {
		parts -= 1;
		switch (typeof value) {
			case "string": return text(value);
			case "number": return Number.isFinite(value) ? value : String(value);
			case "bigint": return BigInt.asIntN(SHOWN_BITS, value) === value ? text(String(value)) : "[bigint]";
			case "boolean": return value;
			case "undefined": return null;
			case "object": return value === null ? null : convertObject(value, key);
			case "symbol": return text(`[${String(value)}]`);
			default: return text(`[function ${nameOfFunction(value)}]`);
		}
	};
	const convertObject = (value, key) => {
		if (above.has(value)) return "[circular]";
		if (above.size >= bounds.depth || parts <= 0 || characters <= 0) return `[${nameOf$1(value)}]`;
		above.add(value);
		try {
			return isError(value) ? convertMembers(errorShape(value)) : convertShape(value, shapeOf(value, key), key);
		} catch (thrown) {
			return text(`[cannot be read: ${messageIn(thrown)}]`);
		} finally {
			above.delete(value);
		}
	};
	const convertShape = (value, shape, key) => {
		switch (shape.is) {
			case "value": return convert(shape.value(), key);
			case "list": return convertItems(shape.items);
			case "entries": return convertItems(shape.entries);
			case "members": return convertMembers(shape);
			default: return shape.problem === "is an invalid date" ? "[invalid date]" : `[${nameOf$1(value)}]`;
		}
	};
	const convertItems = (items) => {
		const list = [];
		for (const item of items) {
			if (list.length >= bounds.members || parts <= 0 || characters <= 0) {
				list.push("…");
				break;
			}
			list.push(convert(item, String(list.length)));
		}
		return list;
	};
	const convertMembers = ({ names, get }) => {
		const members = [];
		for (const name of names) {
			if (members.length >= bounds.members || parts <= 0 || characters <= 0) {
				members.push(["…", "…"]);
				break;
			}
			let converted;
			try {
				const member = get(name);
				if (member === void 0) continue;
				converted = convert(member, name);
			} catch (thrown) {
				converted = text(`[cannot be read: ${messageIn(thrown)}]`);
			}
			members.push([text(name), converted]);
		}
		return Object.fromEntries(members);
	};
	return convert(whole, "");
}
/** An error with its stack, which JSON would omit. */
function errorShape(error) {
	const members = error;
	const known = [
		"name",
		"message",
		"stack",
		"code",
		"cause",
		"errors"
	].filter((name) => name in error);
	const get = (name) => {
		const member = members[name];
		return name === "stack" && typeof member === "string" ? asWritten(member) : member;
	};
	return {
		is: "members",
		names: /* @__PURE__ */ new Set([...known, ...Object.keys(error)]),
		get
	};
}
function nameOfFunction(value) {
	try {
		return String(value.name ?? "").slice(0, 64);
	} catch {
		return "";
	}
}
// src/core/modules/host/values/wire-error.ts
/** Length of the message of an error that a module throws; the rest is cut. @limit characters */
const MAX_MESSAGE$1 = 4096;
/** Lines of the stack of an error that a module throws; the rest is cut. @limit lines */
const MAX_STACK_LINES = 10;
/** Length of the stack of an error that a module throws; the rest is cut. @limit characters */
const MAX_STACK = 4096;
/** Length of the name, and of the `code`, of an error that a module throws; the rest is cut. @limit characters */
const MAX_NAME = 128;
/**
* Size of the own members of an error that a module throws, as JSON; members that do not fit are omitted. @limit bytes
*/
const MAX_FIELDS = 1024;
/**
* Size of the cause of an error that a module throws, as JSON. Of a larger one, its own members are omitted, then its
* own causes. @limit bytes
*/
const MAX_CAUSE = 1024;
/** Nested causes of an error that a module throws; further ones are omitted. @limit levels */
const MAX_CAUSES = 4;
/** Errors in an AggregateError that a module throws; further ones are omitted. @limit errors */
const MAX_ERRORS = 5;
/** Length of the message of a cause of an error that a module throws; the rest is cut. @limit characters */
const MAX_CAUSE_MESSAGE = 256;
/** Values in one own member of an error; a member with more is omitted. @limit values */
const MAX_PARTS = 200;
/** Members that have a field of their own in `WireError`, or are left out. */
const KNOWN = /* @__PURE__ */ new Set([
	"name",
	"message",
	"stack",
	"code",
	"cause",
	"callerFault"
]);
/** Converts any thrown value so that it can be sent. Never throws, even if reading the value throws. */
function toWire(thrown) {
	if (!isObject(thrown)) return {
		name: "Error",
		message: cut(messageIn(thrown), MAX_MESSAGE$1),
		stack: ""
	};
	try {
		const { message } = thrown;
		const [name, stack, code, callerFault] = [
			"name",
			"stack",
			"code",
			"callerFault"
		].map((key) => read(thrown, key));
		const own = fieldsOf(thrown, MAX_FIELDS);
		const cause = causeOf(thrown);
		return {
			name: typeof name === "string" ? cut(name, MAX_NAME) : "Error",
			message: cut(typeof message === "string" ? message : formatThrown(thrown), MAX_MESSAGE$1),
			stack: typeof stack === "string" ? cut(asWritten(ofModule(stack)), MAX_STACK) : "",
			...isCode(code) ? { code: cut(String(code), MAX_NAME) } : {},
			...callerFault === true ? { callerFault: true } : {},
			...own === void 0 ? {} : { fields: own },
			...cause === void 0 ? {} : { cause }
		};
	} catch {
		return {
			name: "Error",
			message: "the module threw a value that cannot be read",
			stack: ""
		};
	}
}
/** Lines of a stack that are read: more than Node produces unless a module asks for more. @limit lines */
const MAX_STACK_READ = 100;
const OWN_CODE = new URL("..", import.meta.url).href;
/** Removes the lines about the service's own code, which the module's author can do nothing about. */
function ofModule(stack) {
	const lines = stack.split("\n", MAX_STACK_READ);
	const isOwn = (line) => /^\s+at /.test(line) && (line.includes(OWN_CODE) || line.includes("(node:internal/"));
	return lines.filter((line) => !isOwn(line)).slice(0, MAX_STACK_LINES).join("\n");
}
const isObject = (value) => typeof value === "object" && value !== null;
const isCode = (code) => typeof code === "string" || Number.isFinite(code);
/** Returns undefined also if the member's accessor throws. */
function read(object, key) {
	try {
		return object[key];
	} catch {
		return;
	}
}
/** Formats a thrown object that is not an error. */
function formatThrown(thrown) {
	return JSON.stringify(toReadable(thrown, {
		depth: 4,
		parts: 100,
		members: 20,
		characters: MAX_MESSAGE$1
	}));
}
/**
* Returns those own members that are JSON, and the errors of an AggregateError, as JSON text, or undefined if there are
* none.
*/
function fieldsOf(error, maxBytes) {
	const fields = Object.entries(ownMembers(error, maxBytes));
	return fields.length === 0 ? void 0 : JSON.stringify(Object.fromEntries(fields));
}
function ownMembers(error, maxBytes) {
	const members = [];
	let bytes = 2;
	const add = (name, json) => {
		const size = Buffer.byteLength(JSON.stringify({ [name]: json })) - 1;
		if (bytes + size > maxBytes) return;
		bytes += size;
		members.push([name, json]);
	};
	const code = read(error, "code");
	if (typeof code === "number" && Number.isFinite(code)) add("code", code);
	for (const name of Object.keys(error).slice(0, MAX_PARTS)) {
		if (KNOWN.has(name) || name === "errors" || !name.isWellFormed()) continue;
		try {
			const value = error[name];
			if (value !== void 0) add(name, toSmallJson(value, name, {
				parts: MAX_PARTS,
				characters: maxBytes
			}));
		} catch {}
	}
	const errors = read(error, "errors");
	if (Array.isArray(errors)) add("errors", errors.slice(0, MAX_ERRORS).map((each) => formatCause(each, 0, 0)));
	return Object.fromEntries(members);
}
/** Returns the cause of an error as JSON text, with as many of its own members and causes as fit. */
function causeOf(error) {
	const cause = read(error, "cause");
	if (cause === void 0 || cause === null) return void 0;
	for (const [causes, ownBytes] of CAUSES) {
		const text = JSON.stringify(formatCause(cause, causes, ownBytes));
		if (Buffer.byteLength(text) <= MAX_CAUSE) return text;
	}
}
/** What is sent about a cause, the most detailed first: number of nested causes, and bytes of the own members of each. */
const CAUSES = [
	[MAX_CAUSES, MAX_CAUSE],
	[MAX_CAUSES, 0],
	[1, 0],
	[0, 0]
];
function formatCause(cause, causes, ownBytes) {
	if (!isObject(cause) || !(isError(cause) || typeof read(cause, "message") === "string")) return toReadable(cause, {
		depth: 4,
		parts: 50,
		members: 20,
		characters: MAX_CAUSE_MESSAGE
	});
	const [name, message, code] = [
		"name",
		"message",
		"code"
	].map((key) => read(cause, key));
	const further = causes === 0 ? void 0 : read(cause, "cause");
	return {
		name: typeof name === "string" ? cut(name, MAX_NAME) : "Error",
		message: cut(typeof message === "string" ? message : "", MAX_CAUSE_MESSAGE),
		...isCode(code) ? { code: typeof code === "string" ? cut(code, MAX_NAME) : code } : {},
		...ownBytes === 0 ? {} : ownMembers(cause, ownBytes),
		...further === void 0 || further === null ? {} : { cause: formatCause(further, causes - 1, ownBytes) }
	};
}
function cut(text, length) {
	return (text.length <= length ? text : `${text.slice(0, length - 1)}…`).toWellFormed();
}
/**
* Creates the error that a module gets from the service. `metadata` is the metadata that every caller gets. If a method of
* another module threw, the thrown error is the cause.
*/
function fromWire({ name, message, code, metadata }) {
	const thrown = metadata === void 0 ? void 0 : thrownIn(metadata);
	const error = new Error(message, thrown === void 0 ? {} : { cause: thrown });
	error.name = name;
	if (metadata !== void 0) Object.defineProperty(error, "metadata", { value: metadata });
	return Object.assign(error, code === void 0 ? {} : { code });
}
function thrownIn(metadata) {
	const { error, error_name, error_code, error_fields, error_cause, stack } = metadata;
	if (error_name === void 0) return void 0;
	const thrown = new Error(error ?? "");
	thrown.name = error_name;
	if (stack !== void 0) thrown.stack = stack;
	assign(thrown, error_code === void 0 ? {} : { code: error_code });
	assign(thrown, Object(parsed(error_fields)));
	const cause = parsed(error_cause);
	if (cause !== void 0) thrown.cause = toCause(cause);
	return thrown;
}
/** Returns undefined also for invalid JSON, because a module may have sent anything. */
function parsed(json) {
	try {
		return json === void 0 ? void 0 : JSON.parse(json);
	} catch {
		return;
	}
}
function toCause(sent) {
	if (!isObject(sent) || typeof sent.name !== "string" || typeof sent.message !== "string") return sent;
	const { name, message, cause, ...own } = sent;
	const error = new Error(message, cause === void 0 ? {} : { cause: toCause(cause) });
	error.name = name;
	return assign(error, own);
}
function assign(error, own) {
	for (const [name, value] of Object.entries(own)) if (!(name in Object.prototype)) Object.defineProperty(error, name, {
		value,
		...ORDINARY
	});
	return error;
}
const ORDINARY = {
	enumerable: true,
	writable: true,
	configurable: true
};
/** Most members for which V8 gives any object a shape. A wider one is read faster from text. */
const SHAPED = 1e3;
/** Levels that are searched for wide objects. */
const LOOK_DEPTH = 4;
/** Whether a JSON value contains objects for which a structured clone is faster than text. It looks at the first levels only. */
function isWide(json) {
	return hasWideObject(json, LOOK_DEPTH);
}
/** Looks only at the first item of a list, because the others are most likely alike. */
function hasWideObject(value, depth) {
	if (typeof value !== "object" || value === null || depth === 0) return false;
	if (Array.isArray(value)) return hasWideObject(value[0], depth - 1);
	const keys = Object.keys(value);
	if (keys.length > 127) return keys.length <= SHAPED;
	for (const key of keys) {
		const member = value[key];
		if (typeof member === "object" && hasWideObject(member, depth - 1)) return true;
	}
	return false;
}
// src/core/modules/host/wire/clone.ts
/** Most bytes of a clone. Larger values travel as text, whose size in bytes is that of the limits. */
const LARGEST_CLONE = 524288;
/**
* Returns the clone of a value for which that is the faster form, and the same as its JSON text. Undefined: the value travels
* as text. `isKnown`: the value is known to be JSON.
*/
function cloneOf(json, isKnown) {
	try {
		if (!isWide(json) || !(isKnown || isJson(json))) return void 0;
		const bytes = serialize(json);
		refuseOther(bytes);
		return bytes;
	} catch {
		return;
	}
}
/** Returns the value of a clone. Bytes of a module must pass `refuseOther` first. */
function valueOfClone(bytes) {
	return deserialize(bytes);
}
/** The head of everything that this Node serializes: a tag, and the version of the format. */
const HEAD = serialize(null).subarray(0, 2);
const TAG = {
	PADDING: 0,
	NULL: 48,
	TRUE: 84,
	FALSE: 70,
	INT32: 73,
	DOUBLE: 78,
	ONE_BYTE_STRING: 34,
	TWO_BYTE_STRING: 99,
	OBJECT: 111,
	END_OBJECT: 123,
	DENSE_LIST: 65,
	END_DENSE_LIST: 36
};
/**
* Throws a RangeError unless the bytes are the clone of a JSON value. Refuses what JSON text does not have (-0, half a
* character in a name, one object in two places), and indexes as names: for one large index, V8 would make room for a
* thousand.
*/
function refuseOther(bytes) {
	if (bytes.length > LARGEST_CLONE || bytes[0] !== HEAD[0] || bytes[1] !== HEAD[1]) throw notJson(0);
	const reader = new CloneReader(bytes, HEAD.length);
	reader.value(0);
	if (reader.at !== bytes.length) throw notJson(reader.at);
}
const notJson = (at) => /* @__PURE__ */ new RangeError(`it is not the clone of a JSON value, at byte ${at}`);
/** Reads a clone without making anything of it. Beyond the end it reads undefined, which is no tag. */
var CloneReader = class {
	#bytes;
	#view;
	at;
	constructor(bytes, at) {
		this.#bytes = bytes;
		this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
		this.at = at;
	}
	value(depth) {
		const tag = this.#tag();
		switch (tag) {
			case TAG.NULL:
			case TAG.TRUE:
			case TAG.FALSE: return;
			case TAG.INT32:
				this.#number();
				return;
			case TAG.DOUBLE:
				this.#double();
				return;
			case TAG.ONE_BYTE_STRING:
			case TAG.TWO_BYTE_STRING:
				this.#text(tag);
				return;
			case TAG.OBJECT:
				this.#object(depth);
				return;
			case TAG.DENSE_LIST:
				this.#list(depth);
				return;
			default: throw notJson(this.at);
		}
	}
	#object(depth) {
		if (depth >= 256) throw new RangeError(`it is nested deeper than 256 levels`);
		for (let count = this.#plainMembers();; count += 1) {
			const tag = this.#tag();
			if (tag === TAG.END_OBJECT) {
				if (this.#number() !== count) throw notJson(this.at);
				return;
			}
			if (tag !== TAG.ONE_BYTE_STRING && tag !== TAG.TWO_BYTE_STRING) throw notJson(this.at);
			const start = this.#text(tag);
			if (this.at > start && isDigit(this.#bytes[start]) && this.#isIndex(tag, start)) throw notJson(start);
			if (tag === TAG.TWO_BYTE_STRING && !this.#isWhole(start)) throw notJson(start);
			this.value(depth + 1);
		}
	}
	/**
	* Reads the members before the first one that is not simple, and returns their number. Nearly all members of wide objects
	* are simple: a short name of one-byte characters that begins with no digit, and a number.
	*/
	#plainMembers() {
		const bytes = this.#bytes;
		let at = this.at;
		for (let count = 0;; count += 1) {
			const size = bytes[at + 1] ?? OVER;
			const value = at + 2 + size;
			const isNamed = bytes[at] === TAG.ONE_BYTE_STRING && size < 128 && size > 0 && !isDigit(bytes[at + 2]);
			if (isNamed && bytes[value] === TAG.INT32 && (bytes[value + 1] ?? OVER) < 128) at = value + 2;
			else if (isNamed && bytes[value] === TAG.DOUBLE && this.#isNumber(value + 1)) at = value + 9;
			else {
				this.at = at;
				return count;
			}
		}
	}
	#list(depth) {
		if (depth >= 256) throw new RangeError(`it is nested deeper than 256 levels`);
		const length = this.#number();
		if (length > this.#bytes.length - this.at) throw notJson(this.at);
		for (let index = 0; index < length; index += 1) this.value(depth + 1);
		if (!(this.#tag() === TAG.END_DENSE_LIST && this.#number() === 0 && this.#number() === length)) throw notJson(this.at);
	}
	#tag() {
		let tag = this.#bytes[this.at++];
		while (tag === TAG.PADDING) tag = this.#bytes[this.at++];
		return tag;
	}
	/** Reads a number of up to 32 bits in groups of seven, the lowest first. */
	#number() {
		let byte = this.#bytes[this.at++] ?? OVER;
		if (byte < 128) return byte;
		let number = byte & 127;
		for (let factor = 128; factor <= 268435456; factor *= 128) {
			byte = this.#bytes[this.at++] ?? OVER;
			number += (byte & 127) * factor;
			if (byte < 128) return number;
		}
		throw notJson(this.at);
	}
	#double() {
		if (!this.#isNumber(this.at)) throw notJson(this.at);
		this.at += 8;
	}
	/** Whether there is a double that JSON has. */
	#isNumber(at) {
		if (at + 8 > this.#bytes.length) return false;
		const number = this.#view.getFloat64(at, true);
		return Number.isFinite(number) && !(number === 0 && Object.is(number, -0));
	}
	/** Returns where the text begins. */
	#text(tag) {
		const size = this.#number();
		const start = this.at;
		this.at += size;
		if (this.at > this.#bytes.length || tag === TAG.TWO_BYTE_STRING && size % 2 === 1) throw notJson(start);
		return start;
	}
	/** Whether the text of two-byte characters before the present place has no half of a character. */
	#isWhole(start) {
		const { buffer, byteOffset } = this.#bytes;
		return Buffer.from(buffer, byteOffset + start, this.at - start).toString("utf16le").isWellFormed();
	}
	/** Whether the text before the present place has only digits. */
	#isIndex(tag, start) {
		const isWide = tag === TAG.TWO_BYTE_STRING;
		for (let at = start; at < this.at; at += isWide ? 2 : 1) if (!isDigit(this.#bytes[at]) || isWide && this.#bytes[at + 1] !== 0) return false;
		return true;
	}
};
/** In place of a byte that is not there: it never ends a number. */
const OVER = 255;
function isDigit(byte) {
	return byte !== void 0 && byte >= 48 && byte <= 57;
}
/**
* Encodes a payload. Throws if its value is not JSON. `root` names the value in the message. `isKnown`: its value is known to
* be JSON, because a module's values are converted before they are sent.
*/
function contentOf(payload, root, isKnown = false) {
	if ("binary" in payload) return [1, payload.binary];
	const { json } = payload;
	const clone = cloneOf(json, isKnown);
	if (clone !== void 0) return [2, clone];
	const text = JSON.stringify(json) ?? "null";
	if (text.includes("\\ud")) checkNames$1(json, root);
	return [0, text];
}
/** Decodes a payload. Throws a SyntaxError or a RangeError if it is invalid. A module's clone must have been checked. */
function payloadOf([form, content]) {
	if (content instanceof Uint8Array) {
		if (form === 1) return { binary: content };
		if (form === 2) return { json: valueOfClone(content) };
	} else if (form === 0) return { json: JSON.parse(content) };
	throw new RangeError(`unknown form of payload: ${form}`);
}
// src/core/modules/host/wire/answer-size.ts
/**
* Size of a module's answer, as a protobuf message and as JSON text (in which bytes are base64 and a third longer), so
* that every protocol can carry it. A call with a larger answer fails with `MODULE_METHOD_FAILED` in the module.
* @limit bytes
*/
const MAX_ANSWER_BYTES = 4194304;
/** Most bytes of protobuf for each character of JSON. The worst case is a digit and a comma. */
const MOST_BYTES_PER_CHARACTER = 5.5;
/** Most bytes of protobuf or JSON for each byte of a structured clone. The worst case is a control character in a text. */
const MOST_BYTES_PER_BYTE = 6;
/** Returns the most bytes of an output, for a module and version with these names. */
function roomForAnswer(name, version) {
	return 4194176 - Buffer.byteLength(JSON.stringify(name + version));
}
/** Throws a RangeError if the answer is too large for a caller. Small answers are checked by an estimate only. */
function checkAnswer(method, payload, [form, content], room) {
	const isBinary = "binary" in payload;
	const size = isBinary ? payload.binary.length : sizeOf$1(payload.json, form, content, room);
	const most = isBinary ? Math.floor(room / 4) * 3 : room;
	if (size > most) throw new RangeError(`${method} answers with ${size} bytes, but at most ${most} can be sent to a caller`);
}
function sizeOf$1(json, form, content, room) {
	const most = form === 0 ? MOST_BYTES_PER_CHARACTER : MOST_BYTES_PER_BYTE;
	if (content.length * most <= room) return content.length;
	const text = typeof content === "string" ? content : JSON.stringify(json);
	return Math.max(Buffer.byteLength(text), valueSize(json));
}
/** Returns the bytes of a JSON value as a google.protobuf.Value. */
function valueSize(json) {
	switch (typeof json) {
		case "number": return 9;
		case "string": return fieldSize(Buffer.byteLength(json));
		case "object": break;
		default: return 2;
	}
	if (json === null) return 2;
	let size = 0;
	if (Array.isArray(json)) for (const item of json) size += fieldSize(valueSize(item));
	else for (const [key, member] of Object.entries(json)) size += fieldSize(fieldSize(Buffer.byteLength(key)) + fieldSize(valueSize(member)));
	return fieldSize(size);
}
/** Returns the bytes of a field, with its tag and length. */
function fieldSize(bytes) {
	let size = bytes + 2;
	for (let rest = bytes; rest >= 128; rest /= 128) size += 1;
	return size;
}
// src/core/modules/host/inside/load/assets.ts
/** Declared assets that the error for an undeclared path names; the others are omitted. @limit names */
const MAX_LISTED_ASSETS = 10;
/** Creates `ctx.assets`. */
function assetsOf(assets) {
	const { directory = "", paths = [] } = assets ?? {};
	const known = new Set(paths.flatMap((path) => path.split("/").map((_, index, parts) => parts.slice(0, index + 1).join("/"))));
	return Object.freeze({ path(path) {
		if (known.has(path)) return join(directory, path);
		const more = paths.length > MAX_LISTED_ASSETS ? ", …" : "";
		const listed = paths.length === 0 ? "the module has no assets" : `the assets are ${paths.slice(0, MAX_LISTED_ASSETS).join(", ")}${more}`;
		throw new RangeError(`${JSON.stringify(path)} is not an asset of the module; ${listed}`);
	} });
}
// src/core/modules/host/inside/log.ts
/** Length of the message of an entry that a module logs; the rest is cut. @limit characters */
const MAX_MESSAGE = 8192;
const BOUNDS = {
	depth: 8,
	parts: 1e3,
	members: 100,
	characters: 16384
};
/** Converts any value to the message of a log entry. Never throws. */
function toLogMessage(message) {
	const text = typeof message === "string" ? message : textOf$1(message);
	return (text.length <= MAX_MESSAGE ? text : `${text.slice(0, MAX_MESSAGE)}…`).toWellFormed();
}
function textOf$1(message) {
	if (typeof message !== "object" || message === null) return String(message);
	return isError(message) ? messageIn(message) : JSON.stringify(toReadable(message, BOUNDS));
}
/**
* Converts any value to the fields of a log entry. A field that JSON does not have becomes a text that says what it is. An
* error in the place of the fields becomes the field `error`. Never throws.
*/
function toLogFields(fields) {
	if (fields === void 0 || fields === null) return {};
	const readable = toReadable(typeof fields !== "object" || isError(fields) ? { [isError(fields) ? "error" : "fields"]: fields } : fields, BOUNDS);
	if (typeof readable === "object" && readable !== null && !Array.isArray(readable)) return readable;
	return { fields: readable };
}
// src/core/modules/host/inside/context.ts
/** Errors about the module's position in a swap or a test. They do not mean that something went wrong. */
const REFUSALS = /* @__PURE__ */ new Set([
	"MODULE_FENCED",
	"DEPENDENCY_NOT_STUBBED",
	"SERVER_DRAINING"
]);
function createContext({ name, version, config, assets }, link, { callInProgress, duty, onAnswered, onRefused }) {
	const waiting = /* @__PURE__ */ new Map();
	const calls = /* @__PURE__ */ new Set();
	const held = [];
	let isHeld = false;
	const stopping = new AbortController();
	let lastId = 0;
	const ask = (message) => new Promise((resolve, reject) => {
		lastId += 1;
		waiting.set(lastId, {
			resolve,
			reject
		});
		try {
			link.send(message(lastId));
		} catch (error) {
			settle(lastId);
			reject(error);
		}
	});
	const log = (level) => (message, fields) => {
		link.send({
			type: "log",
			level,
			message: toLogMessage(message),
			fields: toLogFields(fields)
		});
	};
	const ctx = {
		name,
		version,
		config,
		assets: assetsOf(assets),
		log: {
			debug: log("debug"),
			info: log("info"),
			warn: log("warn"),
			error: log("error")
		},
		flags: { isEnabled: async (flag, context = {}) => {
			const message = {
				type: "flag",
				name: asText("flag", flag),
				context: asMembers("context", context)
			};
			return fromPayload(await ask((id) => ({
				...message,
				id
			}))) === true;
		} },
		async call(dependency, method, input) {
			const call = {
				dependency: asText("dependency", dependency),
				method: asText("method", method)
			};
			const payload = toPayload(input, "input");
			const within = callInProgress();
			if (isHeld && within === 0) await new Promise((resolve) => held.push(resolve));
			return fromPayload(await ask((id) => {
				calls.add(id);
				return {
					type: "call",
					id,
					...call,
					input: payload,
					within: Math.max(0, within)
				};
			}));
		},
		onServe: duty.onServe,
		onRetire: duty.onRetire,
		signal: stopping.signal,
		clock: {
			now: () => Date.now(),
			monotonic: () => performance.now()
		}
	};
	const settle = (id) => {
		const settled = waiting.get(id);
		waiting.delete(id);
		if (calls.delete(id)) onAnswered();
		return settled;
	};
	return {
		ctx: Object.freeze(ctx),
		answer: (id, value) => settle(id)?.resolve(value),
		refuse(id, wire) {
			const error = fromWire(wire);
			if (REFUSALS.has(wire.code)) onRefused(error);
			settle(id)?.reject(error);
		},
		calls,
		hold() {
			isHeld = true;
		},
		release() {
			isHeld = false;
			for (const resolve of held.splice(0)) resolve();
		},
		abort: () => stopping.abort()
	};
}
/** Converts a value so that it can be sent. `root` names the value in error messages. */
function toPayload(value, root) {
	return value instanceof Uint8Array ? { binary: value } : { json: toJson(value, root) };
}
function fromPayload(payload) {
	const { json, binary } = payload;
	return binary ?? json;
}
/** Throws here, because the service would ignore a message with another type, and never answer it. */
function asText(what, value) {
	if (typeof value === "string") return value;
	throw new TypeError(`${what} must be a string, but is ${value === null ? "null" : `a value of type ${typeof value}`}`);
}
function asMembers(what, value) {
	const members = toJson(value, what);
	if (typeof members === "object" && members !== null && !Array.isArray(members)) return members;
	throw new TypeError(`${what} must be an object`);
}
// src/core/modules/host/inside/duty.ts
function createDuty(failures) {
	const onServe = createListeners(failures.ofServe);
	const onRetire = createListeners(failures.ofRetire);
	let duty = "not yet";
	return {
		onServe: (listener) => onServe.add(listener, () => duty === "serves"),
		onRetire: (listener) => onRetire.add(listener, () => duty === "retired"),
		serve() {
			if (duty === "serves") return;
			duty = "serves";
			onServe.call();
		},
		retire() {
			if (duty !== "serves") return;
			duty = "retired";
			onRetire.call();
		}
	};
}
/** Keeps listeners, which are called in the order of registration. A listener that fails does not affect the others. */
function createListeners(failed) {
	const listeners = /* @__PURE__ */ new Set();
	const call = async (listener) => {
		try {
			await listener();
		} catch (thrown) {
			failed(thrown);
		}
	};
	return {
		add(listener, isDue) {
			if (typeof listener !== "function") throw new TypeError("the listener must be a function");
			const one = { call: listener };
			listeners.add(one);
			if (isDue()) queueMicrotask(() => listeners.has(one) && isDue() && void call(listener));
			return () => void listeners.delete(one);
		},
		call() {
			for (const { call: listener } of [...listeners]) call(listener);
		}
	};
}
// src/core/modules/host/inside/inbox.ts
/**
* Time that an instance spends on starting calls before it reads new messages, so that calls whose callers have left do
* not start. @limit ms
*/
const TURN_MS = 5;
/**
* Creates a queue that handles messages in order, and drops requests that nobody waits for any more. While a method blocks
* the event loop, new messages are not read. So the inbox lets the event loop turn before it starts more requests.
*/
function createInbox({ now, later, handle, cancel, drop }) {
	let queue = [];
	let next = 0;
	let isPostponed = false;
	/** Ids of cancelled requests that may be in the queue. */
	const cancelled = /* @__PURE__ */ new Set();
	const isOver = (message, time) => {
		if (!("deadline" in message)) return false;
		return time >= message.deadline || cancelled.size > 0 && cancelled.has(message.id);
	};
	const run = () => {
		const start = now();
		let time = start;
		while (next < queue.length) {
			const message = queue[next++];
			if (isOver(message, time)) drop(message.id);
			else if (message.type !== "cancel") handle(message);
			if (next === queue.length) break;
			time = now();
			if (time - start > TURN_MS) {
				postpone();
				return;
			}
		}
		queue = [];
		next = 0;
		cancelled.clear();
	};
	const postpone = () => {
		if (isPostponed) return;
		isPostponed = true;
		later(() => {
			isPostponed = false;
			run();
		});
	};
	return { put(messages, more) {
		if (queue.length === 0) queue = messages;
		else for (const message of messages) queue.push(message);
		for (const message of messages) if (message.type === "cancel" && !cancel(message.id, message.reason)) cancelled.add(message.id);
		if (more) postpone();
		else if (!isPostponed) run();
	} };
}
const CALL = 1;
const ANSWER = 3;
const IMPORT = 6;
/** The refusal of an instance's request, with the error as JSON. Kind 9 is a post of several packets. */
const REFUSAL = 10;
/** Converts a message to a packet. Returns undefined if it is sent as a structured clone. Throws if it cannot be sent. */
function toPacket(message) {
	switch (message.type) {
		case "output": return [
			2,
			message.id,
			0,
			"",
			"",
			...contentOf(message.output, "output", true)
		];
		case "call": return "within" in message ? [
			4,
			message.id,
			message.within,
			message.method,
			message.dependency,
			...contentOf(message.input, "input", true)
		] : [
			CALL,
			message.id,
			message.deadline,
			message.method,
			"",
			...contentOf(message.input, "input")
		];
		case "answer": return [
			ANSWER,
			message.id,
			0,
			"",
			"",
			...contentOf(message.value, "answer")
		];
		case "refusal": return [
			REFUSAL,
			message.id,
			0,
			"",
			"",
			0,
			JSON.stringify(message.error)
		];
		case "state": return [
			5,
			message.id,
			0,
			"",
			"",
			1,
			message.state
		];
		case "import": return [
			IMPORT,
			message.id,
			message.deadline,
			JSON.stringify(message.from),
			"",
			1,
			message.state
		];
		case "start":
		case "lifecycle":
		case "quiet":
		case "press":
		case "duty":
		case "usage":
		case "ping":
		case "cancel": return;
		case "log": return [
			8,
			0,
			0,
			"",
			"",
			0,
			JSON.stringify(message)
		];
		default: return [
			7,
			0,
			0,
			"",
			"",
			0,
			JSON.stringify(message)
		];
	}
}
/** Decodes a packet of the service. */
function fromService([kind, id, number, method, , ...content]) {
	switch (kind) {
		case CALL: return {
			type: "call",
			id,
			deadline: number,
			method,
			input: payloadOf(content)
		};
		case ANSWER: return {
			type: "answer",
			id,
			value: payloadOf(content)
		};
		case REFUSAL: return {
			type: "refusal",
			id,
			error: payloadOf(content).json
		};
		case IMPORT: return {
			type: "import",
			id,
			deadline: number,
			state: bytesOf(content),
			from: JSON.parse(method)
		};
		default: throw new RangeError(`unknown kind of message: ${kind}`);
	}
}
/** Kinds whose content always has the same form. */
const ONLY_FORMS = /* @__PURE__ */ new Map([
	[0, 1],
	[5, 1],
	[IMPORT, 1],
	[7, 0],
	[8, 0],
	[REFUSAL, 0]
]);
/** Throws a RangeError if a message of this kind must not have this form. Must be called before the content is read. */
function checkForm(kind, form) {
	const only = ONLY_FORMS.get(kind);
	if (only !== void 0 && form !== only) throw new RangeError(`a message of kind ${kind} must not have content of form ${form}`);
}
function bytesOf(content) {
	return payloadOf(content).binary;
}
// src/core/modules/host/wire/frames.ts
const HEAD_BYTES = 4;
const KIND_BYTES = 1;
/** Id, number, lengths of the method and the dependency, and form of the payload. */
const FIXED_BYTES = 21;
/**
* Size of the state that a module hands over, and of a message to its process; a swap with a larger state fails. All
* other messages, such as the module's code, are smaller. @limit bytes
*/
const MAX_BYTES = 268435456;
/**
* Size of the input or answer of a call that a module sends, with its names; a larger one fails in the module. A
* process that bypasses its own checks is ended, and counts as crashed; a thread's message is dropped. @limit bytes
*/
const MAX_PAYLOAD_BYTES = 4210688;
/**
* Size of every other message of a module, such as the names of its methods or the context of a flag; a larger one
* fails in the module: its start, or the question. A process that bypasses its own checks is ended, and counts as
* crashed; a thread's message is dropped. @limit bytes
*/
const MAX_OTHER_BYTES = 1048576;
/** Size of a log entry of a module, as JSON; of a larger one, the start of its message is logged. @limit bytes */
const MAX_LOG_BYTES = 65536;
/**
* Length of the name of a method or dependency that a module calls; a call with a longer one fails in the module.
* @limit bytes
*/
const MAX_NAME_BYTES = 65535;
/** Encodes a packet. Throws a RangeError if it is larger than the other side accepts. */
function packetFrame([kind, id, number, method, dependency, form, content]) {
	const size = typeof content === "string" ? Buffer.byteLength(content) : content.length;
	const methodBytes = nameBytes(method);
	const dependencyBytes = nameBytes(dependency);
	const length = 22 + methodBytes + dependencyBytes + size;
	const limit = limitOf(kind);
	if (length > limit) throw new RangeError(`a message has ${length} bytes, more than ${limit}`);
	const frame = Buffer.allocUnsafe(HEAD_BYTES + length);
	frame.writeUInt32BE(length);
	frame[HEAD_BYTES] = kind;
	let at = frame.writeDoubleBE(id, 5);
	at = frame.writeDoubleBE(number, at);
	at = frame.writeUInt16BE(methodBytes, at);
	at = frame.writeUInt16BE(dependencyBytes, at);
	at = frame.writeUInt8(form, at);
	if (methodBytes > 0) at += frame.write(method, at);
	if (dependencyBytes > 0) at += frame.write(dependency, at);
	if (typeof content === "string") frame.write(content, at);
	else frame.set(content, at);
	return frame;
}
/** Returns the bytes of a name. Throws a RangeError if it is longer than the other side accepts. */
function nameBytes(name) {
	if (name === "") return 0;
	const bytes = Buffer.byteLength(name);
	if (bytes > MAX_NAME_BYTES) throw new RangeError(`the name has ${bytes} bytes, more than ${MAX_NAME_BYTES}`);
	return bytes;
}
/** Most bytes of a module's messages, by kind. */
const MODULE_LIMITS = /* @__PURE__ */ new Map([
	[2, MAX_PAYLOAD_BYTES],
	[4, MAX_PAYLOAD_BYTES],
	[5, MAX_BYTES],
	[7, MAX_OTHER_BYTES],
	[8, MAX_LOG_BYTES]
]);
/** Returns the most bytes of a message. Kinds that only the service sends share one limit. */
function limitOf(kind) {
	return MODULE_LIMITS.get(kind) ?? MAX_BYTES;
}
function packetAt(bytes, start, end) {
	const at = start + KIND_BYTES + FIXED_BYTES;
	if (at > end) throw new RangeError("the message is cut off");
	const fixed = start + KIND_BYTES;
	const methodEnd = at + bytes.readUInt16BE(fixed + 16);
	const dependencyEnd = methodEnd + bytes.readUInt16BE(fixed + 18);
	const id = bytes.readDoubleBE(fixed);
	if (dependencyEnd > end || !Number.isSafeInteger(id)) throw new RangeError("the message is cut off");
	const kind = bytes[start];
	const form = bytes[fixed + 20];
	checkForm(kind, form);
	const text = (from, to) => from === to ? "" : bytes.toString("utf8", from, to);
	const method = text(at, methodEnd);
	const dependency = text(methodEnd, dependencyEnd);
	return [
		kind,
		id,
		bytes.readDoubleBE(fixed + 8),
		method,
		dependency,
		form,
		contentAt(bytes, form, dependencyEnd, end)
	];
}
/**
* The bytes are copied. A view would keep the whole chunk in memory, whose space is also reused for the next bytes. A clone
* is decoded at once, and copied by that.
*/
function contentAt(bytes, form, start, end) {
	if (form === 0) return bytes.toString("utf8", start, end);
	const view = bytes.subarray(start, end);
	return form === 2 ? view : new Uint8Array(view);
}
/** How an instance reads the service's frames. */
const serviceFrames = {
	check: (kind, length) => checkLength(length, limitOf(kind)),
	decode(bytes, start, end) {
		const packet = packetAt(bytes, start, end);
		return packet[0] === 0 ? deserialize(packet[6]) : fromService(packet);
	}
};
function checkLength(length, limit) {
	if (length === 0 || length > limit) throw new RangeError(`a message has ${length} bytes, not 1 to ${limit}`);
}
/**
* Creates a reader of frames. It takes chunks, and calls `take` with the messages that are complete. At the first invalid
* bytes it calls `broken` with the problem, and then ignores everything. A frame that is too long is rejected when its head
* arrives.
*/
function createFrameReader({ check, decode }, take, broken) {
	/** The incomplete frame: first its head and kind, then all of it. */
	let part = Buffer.allocUnsafe(5);
	let size = 0;
	let isBroken = false;
	/** Returns the length of the frame that begins at `start`, with its head. */
	const lengthAt = (bytes, start) => {
		const length = bytes.readUInt32BE(start);
		check(bytes[start + HEAD_BYTES], length);
		return HEAD_BYTES + length;
	};
	/** A frame that is complete within the chunk is read in place. Only a split one is copied. */
	const read = (chunk, messages) => {
		let at = 0;
		while (at < chunk.length) {
			const left = chunk.length - at;
			if (size === 0 && left >= 5) {
				const length = lengthAt(chunk, at);
				if (left >= length) {
					messages.push(decode(chunk, at + HEAD_BYTES, at + length));
					at += length;
					continue;
				}
			}
			const copied = chunk.copy(part, size, at);
			size += copied;
			at += copied;
			if (size < part.length) return;
			const length = lengthAt(part, 0);
			if (size < length) {
				const whole = Buffer.allocUnsafe(length);
				part.copy(whole);
				part = whole;
				continue;
			}
			messages.push(decode(part, HEAD_BYTES, length));
			part = Buffer.allocUnsafe(5);
			size = 0;
		}
	};
	return (chunk) => {
		if (isBroken) return;
		const messages = [];
		let why = "";
		try {
			read(chunk, messages);
		} catch (error) {
			isBroken = true;
			part = Buffer.alloc(0);
			why = error instanceof Error ? error.message : "";
		}
		if (messages.length > 0) take(messages);
		if (isBroken) broken(why);
	};
}
// src/core/modules/host/wire/posts.ts
/** Kind of a post with several packets. Only the service sends it. */
const BATCH = 9;
/** Bytes counted for each packet beside its texts and bytes, so that threads have the same limits as processes. */
const PACKET_BYTES = 32;
/** Decodes a post of the service, and counts its messages as read. */
function fromPosts(posted, read) {
	if (!Array.isArray(posted)) {
		Atomics.add(read, 0, 1);
		Atomics.add(read, 1, PACKET_BYTES);
		return [posted];
	}
	const packets = posted[0] === BATCH ? posted[1] : [posted];
	let bytes = 0;
	for (const packet of packets) bytes += sizeOf(packet);
	Atomics.add(read, 0, packets.length);
	Atomics.add(read, 1, bytes);
	return packets.map(fromService);
}
/**
* Checks a packet of an instance, and returns it as it is to be posted. Throws a RangeError if it is larger than the
* service accepts.
*/
function checkPacket(packet) {
	const [size, limit] = [sizeOf(packet), limitOf(packet[0])];
	if (size > limit) throw new RangeError(`a message has ${size} bytes, more than ${limit}`);
	checkNames(packet);
	return detached(packet);
}
/** The memory of clones, which nobody else uses. It is moved to the other side rather than copied. */
function movedIn(packets) {
	const moved = [];
	for (const [, , , , , form, content] of packets) if (form === 2 && typeof content !== "string") moved.push(content.buffer);
	return moved;
}
/** Throws a RangeError if a name is longer than a process could send. */
function checkNames([, , , method, dependency]) {
	nameBytes(method);
	nameBytes(dependency);
}
function sizeOf([, , , method, dependency, , content]) {
	return PACKET_BYTES + method.length + dependency.length + content.length;
}
/** Copies a view of a larger or shared buffer. Its clone would contain the whole buffer, or share the memory. */
function detached(packet) {
	const [kind, id, number, method, dependency, form, content] = packet;
	if (typeof content === "string") return packet;
	const { buffer } = content;
	if (buffer instanceof ArrayBuffer && buffer.byteLength === content.byteLength) return packet;
	return [
		kind,
		id,
		number,
		method,
		dependency,
		form,
		new Uint8Array(content)
	];
}
// src/core/modules/host/values/log-window.ts
/** Message of the log entry that counts the dropped entries. */
const DROPPED = "log entries were dropped";
/**
* Limits log entries to `most` in a second. The returned function returns whether one more entry may be logged. Before the
* first entry after a second with dropped entries, it calls `logDropped` with their number; that entry is not counted.
* `now`: in ms.
*/
function createLogWindow(most, now, logDropped) {
	let start = Number.NEGATIVE_INFINITY;
	let entries = 0;
	let dropped = 0;
	return () => {
		const time = now();
		if (time - start >= 1e3) {
			const before = dropped;
			[start, entries, dropped] = [
				time,
				0,
				0
			];
			if (before > 0) logDropped(before);
		}
		entries += 1;
		if (entries <= most) return true;
		dropped += 1;
		return false;
	};
}
// src/core/modules/host/inside/log-gate.ts
/**
* Log entries that an instance sends to the service. Further ones are dropped in the instance, and counted in an entry
* of their own. @limit entries a second
*/
const MAX_PER_SECOND = 1e3;
/** Characters of a message that are kept if its entry is too long. This many always fit. */
const SHORT_MESSAGE = 8192;
/** Returns a function that sends log entries, limited in number and size. `now`: in ms. */
function loggingBy(send, now) {
	const logDropped = (dropped) => send(toPacket({
		type: "log",
		level: "warn",
		message: DROPPED,
		fields: { dropped }
	}));
	const mayPass = createLogWindow(MAX_PER_SECOND, now, logDropped);
	return (entry) => {
		if (mayPass()) send(fitting(entry));
	};
}
function fitting(entry) {
	const packet = toPacket(entry);
	const text = packet[6];
	if (text.length * 3 <= 64512) return packet;
	const bytes = Buffer.byteLength(text);
	if (bytes <= 64512) return packet;
	const message = `${entry.message.slice(0, SHORT_MESSAGE)}…`;
	const fields = { cut: `the entry has ${bytes} bytes, more than ${MAX_LOG_BYTES}` };
	return toPacket({
		...entry,
		message,
		fields
	});
}
// src/core/modules/host/inside/link.ts
/** Most bytes that Node reads from a pipe at once. */
const FULL_READ_BYTES = 65536;
/**
* Time that the last messages of a module's ending process may take if the service is behind with reading. @limit ms
*/
const LAST_WORDS_MS = 1e3;
/**
* A real timer, because the kernel's clock is not among the files of an instance. Taken before the module's code runs,
* which can replace it.
*/
const later = setTimeout;
/** Opens the link. A process ends when its service is gone. */
function openLink() {
	if (parentPort !== null) {
		const { port, read: counts } = workerData;
		return {
			send: createSend((packet) => {
				const sent = checkPacket(packet);
				port.postMessage(sent, movedIn([sent]));
			}),
			onMessages: (listen) => void port.on("message", (first) => {
				const messages = fromPosts(first, counts);
				for (let next = receiveMessageOnPort(port); next !== void 0; next = receiveMessageOnPort(port)) for (const message of fromPosts(next.message, counts)) messages.push(message);
				listen(messages, false);
			}),
			end: (code) => process.exit(code)
		};
	}
	const pipe = new Socket({ fd: 3 });
	const gone = () => process.exit(0);
	pipe.once("end", gone);
	pipe.once("error", gone);
	let isEnding = false;
	return {
		send: createSend((packet) => {
			if (!isEnding) pipe.write(packetFrame(packet));
		}),
		onMessages(listen) {
			let more = false;
			const read = createFrameReader(serviceFrames, (messages) => listen(messages, more), gone);
			pipe.on("data", (chunk) => {
				more = chunk.length >= FULL_READ_BYTES;
				read(chunk);
			});
		},
		end(code) {
			if (isEnding) return;
			isEnding = true;
			const exit = () => process.exit(code);
			if (pipe.writableLength === 0) exit();
			pipe.pause();
			later(exit, LAST_WORDS_MS);
			pipe.write("", exit);
		}
	};
}
function createSend(send) {
	const sendEntry = loggingBy(send, machineTime);
	return (message, check) => {
		if (message.type === "log") return sendEntry(message);
		const packet = toPacket(message);
		if (packet === void 0) throw new TypeError(`a module cannot send a message of type ${message.type}`);
		check?.(packet);
		send(packet);
	};
}
// src/core/modules/host/disk/paths.ts
/** Whether `path` is `directory` or inside of it. Both must be absolute, with links followed. */
function isWithin(directory, path) {
	const way = relative(directory, path);
	return way !== ".." && !way.startsWith(`..${sep}`) && !isAbsolute(way);
}
// src/core/modules/host/inside/permissions/denied.ts
/** Creates an error like those of Node's permission model. */
function denied(what, permission, resource = "") {
	return Object.assign(/* @__PURE__ */ new Error(`Access to this API has been restricted: ${what}`), {
		code: "ERR_ACCESS_DENIED",
		permission,
		resource
	});
}
// src/core/modules/host/inside/load/code.ts
/**
* From now on, serves imports from the files that the service sent. The files appear to be at their paths below the root,
* or below the directory of the assets if there are any. Other files may only be imported from below one of the readable
* directories, with links followed. Returns the URL of the entry.
*/
function serveCode({ root: written, entry, files, readable, assets }) {
	const root = assets?.directory ?? written;
	const urlOf = (path) => pathToFileURL(isAbsolute(path) ? path : join(root, path)).href;
	const byUrl = new Map(files.map(({ imports, requires, ...file }) => [urlOf(file.path), {
		...file,
		imports: new Map(imports),
		requires: new Map(requires)
	}]));
	const directories = [...readable, ...assets === void 0 ? [] : [assets.directory]].map(realPath);
	/**
	* Returns the URL that a specifier names, unless it names a package. The specifier may have been computed at run time.
	*/
	const urlIn = (specifier, { parentURL }) => URL.parse(isAbsolute(specifier) ? urlOf(specifier) : specifier, isRelative(specifier) ? parentURL : void 0);
	registerHooks({
		resolve(specifier, context, nextResolve) {
			if (isBuiltin(specifier)) return nextResolve(specifier, context);
			if (specifier === "node:sqlite") throw denied("node:sqlite needs fs_read or fs_write", "FileSystemRead");
			const from = byUrl.get(withoutQuery(context.parentURL ?? ""));
			const link = (isRequire(context) ? from?.requires : from?.imports)?.get(specifier);
			const named = urlIn(specifier, context);
			const linked = link === void 0 ? void 0 : urlOf(link) + (named?.search ?? "") + (named?.hash ?? "");
			const url = linked ?? named?.href ?? "";
			const held = byUrl.get(withoutQuery(url));
			if (held !== void 0) return {
				url,
				format: held.format,
				shortCircuit: true
			};
			if (directories.length === 0) throw notHeld(specifier, context);
			let found;
			try {
				found = nextResolve(linked ?? specifier, context);
			} catch (error) {
				throw from === void 0 || linked !== void 0 ? error : notHeld(specifier, context);
			}
			const file = found.url.startsWith("file:") ? realPath(fileURLToPath(found.url)) : void 0;
			if (file !== void 0 && directories.some((directory) => isWithin(directory, file))) return found;
			throw notHeld(specifier, context);
		},
		load(url, context, nextLoad) {
			const held = byUrl.get(withoutQuery(url));
			if (held === void 0) return nextLoad(url, context);
			return {
				format: held.format,
				source: held.source,
				shortCircuit: true
			};
		}
	});
	return urlOf(entry);
}
const isRelative = (specifier) => /^\.{1,2}\//.test(specifier);
const withoutQuery = (url) => url.replace(/[?#].*$/s, "");
const isRequire = ({ conditions }) => conditions.includes("require");
function notHeld(specifier, context) {
	const message = `imports ${specifier}, which is not in the module's artifact: import it by a literal specifier from below the modules root, list it among the assets, or grant fs_read for its directory`;
	const code = isRequire(context) ? "MODULE_NOT_FOUND" : "ERR_MODULE_NOT_FOUND";
	return Object.assign(new Error(message), { code });
}
function realPath(path) {
	try {
		return realpathSync(path);
	} catch {
		return path;
	}
}
// src/core/modules/host/inside/load/exported.ts
/** The file's export cannot be run as a module. The message is for readers. */
var Unfit = class extends Error {};
/**
* Returns the export that is the module: the default export. In CommonJS, it is the value of `module.exports`, or of
* `exports.default`, which compilers write.
*/
function exportedOf(namespace) {
	const exported = namespace.default;
	if (exported === null || typeof exported !== "object" && typeof exported !== "function") return exported;
	if (Array.isArray(exported) || !Object.hasOwn(exported, "default")) return exported;
	const { default: inner, __esModule: compiled } = exported;
	return typeof exported === "object" || compiled === true ? inner : exported;
}
/** Throws `Unfit` unless the export is a class or function that an instance can be created from. */
function checkExported(exported) {
	if (typeof exported !== "function") throw new Unfit(`it default-exports ${kindOf(exported)}, not a class or a function`);
	if (/^\[object (Async)?GeneratorFunction\]$/.test(Object.prototype.toString.call(exported))) throw new Unfit("it default-exports a generator function, not a class or a function that returns an object");
}
/**
* Creates the instance: from a class or constructor function by `new`, and by a call of any other function. Throws `Unfit`.
* The result is wrapped, because an instance with a method `then` would be awaited like a promise.
*/
async function construct(exported, ctx) {
	const made = isConstructor(exported) ? Reflect.construct(exported, [ctx]) : exported(ctx);
	const instance = isClass(exported) ? made : await made;
	if (typeof instance !== "object" || instance === null) throw new Unfit("its factory must return an object");
	if (!isClass(exported) && isBare(instance, exported)) throw new Unfit("its function must return an object, have a prototype with methods, or set members on `this`");
	return { instance };
}
function kindOf(value) {
	if (value === void 0) return "nothing";
	if (value === null) return "null";
	if (Array.isArray(value)) return "a list";
	if (typeof value !== "object") return `a value of type ${typeof value}`;
	if (typeof value.then === "function") return "a promise";
	const names = Object.keys(value).slice(0, MAX_LISTED_NAMES);
	return `an object${names.length === 0 ? "" : ` with ${names.join(", ")}`}`;
}
/** Exported names that the error for a file without a module lists; the others are omitted. @limit names */
const MAX_LISTED_NAMES = 5;
const isClass = (exported) => /^class\b/.test(Function.prototype.toString.call(exported));
/** Whether `new` can be used. It cannot for arrow functions, async functions and methods. */
function isConstructor(exported) {
	try {
		Reflect.construct(Object, [], exported);
		return true;
	} catch {
		return false;
	}
}
function isBare(instance, made) {
	const prototype = Object.getPrototypeOf(instance);
	if (prototype !== made.prototype || prototype === null) return false;
	const isPlain = Object.getPrototypeOf(prototype) === Object.prototype;
	const inherited = Reflect.ownKeys(prototype).filter((key) => key !== "constructor");
	return isPlain && inherited.length === 0 && Reflect.ownKeys(instance).length === 0;
}
// src/core/modules/host/inside/load/hidden.ts
/**
* Finds the hidden members of classes. The build recorded their positions in the text of each file. `toString` returns the
* text of a class or method, which is found in the file again. So names need not be unique.
*/
function hiddenIn(files) {
	const texts = files.flatMap(({ source, hidden = [] }) => hidden.length === 0 ? [] : [{
		text: Buffer.from(source).toString(),
		hidden
	}]);
	const classAt = (prototype) => {
		const made = Object.getOwnPropertyDescriptor(prototype, "constructor")?.value;
		const own = typeof made === "function" ? textOf(made) : "";
		if (!own.startsWith("class")) return void 0;
		return {
			own,
			members: texts.flatMap(({ text, hidden }) => {
				const at = text.indexOf(own);
				return at === -1 ? [] : hidden.filter((one) => one.at > at && one.at < at + own.length).map((one) => ({
					...one,
					text
				}));
			})
		};
	};
	const known = /* @__PURE__ */ new WeakMap();
	const classOf = (prototype) => {
		if (texts.length === 0) return void 0;
		if (!known.has(prototype)) known.set(prototype, classAt(prototype));
		return known.get(prototype);
	};
	const isMethod = (prototype, name, method) => {
		const { own, members } = classOf(prototype) ?? {
			own: "",
			members: []
		};
		if (members.length === 0) return false;
		const text = textOf(method);
		const isReplaced = !own.includes(text);
		return members.some((one) => one.text.startsWith(text, one.at) || isReplaced && one.name === name);
	};
	return {
		isMethod,
		isProperty(instance, name) {
			if (texts.length === 0) return false;
			for (let level = Object.getPrototypeOf(instance); level !== null; level = Object.getPrototypeOf(level)) {
				const method = Object.getOwnPropertyDescriptor(level, name)?.value;
				if (typeof method === "function") return isMethod(level, name, method);
				if (classOf(level)?.members.some((one) => one.name === name)) return true;
			}
			return false;
		}
	};
}
const textOf = (of) => Function.prototype.toString.call(of);
// src/core/modules/host/values/names.ts
/** Converts `placeOrder` to `place_order`. A name in snake_case stays as it is. */
function snakeCase(name) {
	return name.replace(/([\p{Ll}\p{N}])(\p{Lu})/gu, "$1_$2").replace(/(\p{Lu})(\p{Lu}\p{Ll})/gu, "$1_$2").toLowerCase();
}
/** Converts `place_order` to `placeOrder`. Underscores at the ends, and several in a row, stay. */
function camelCase(name) {
	return name.replace(/(?<=[^_])_([\p{Ll}\p{N}])/gu, (part, first) => {
		const upper = first.toUpperCase();
		return upper.toLowerCase() === first ? upper : part;
	});
}
/**
* Maps each spelling by which one of these methods can be called to the name in its class. The spellings of a method are
* this name, and the same in camelCase and in snake_case. A name that a class gives always means that method. A converted
* spelling that two methods would share means neither of them.
*/
function spellingsOf(methods) {
	const others = /* @__PURE__ */ new Map();
	for (const method of methods) {
		const snake = snakeCase(method);
		for (const other of /* @__PURE__ */ new Set([
			snake,
			camelCase(snake),
			camelCase(method)
		])) others.set(other, others.has(other) ? void 0 : method);
	}
	const spellings = /* @__PURE__ */ new Map();
	for (const [other, method] of others) if (method !== void 0) spellings.set(other, method);
	for (const method of methods) spellings.set(method, method);
	return spellings;
}
// src/core/modules/host/inside/load/methods.ts
const LIFECYCLE = /* @__PURE__ */ new Set([
	"start",
	"health",
	"exportState",
	"importState",
	"stop"
]);
/**
* Finds the public methods of an instance: those of its classes, and functions that are own members of the object.
*
* @param exported the class or function that the instance was created from.
*/
function methodsOf(instance, exported, hidden) {
	const methods = /* @__PURE__ */ new Map();
	const all = /* @__PURE__ */ new Map();
	for (let level = instance; level !== null && level !== Object.prototype; level = Object.getPrototypeOf(level)) for (const [name, { value }] of Object.entries(Object.getOwnPropertyDescriptors(level))) {
		if (typeof value !== "function" || all.has(name) || isClassPart(name)) continue;
		const bound = value.bind(instance);
		all.set(name, bound);
		if (name.startsWith("_") || LIFECYCLE.has(name)) continue;
		if (!(level === instance ? hidden.isProperty(instance, name) : hidden.isMethod(level, name, value))) methods.set(name, bound);
	}
	const bySpelling = /* @__PURE__ */ new Map();
	for (const [spelling, name] of spellingsOf([...methods.keys()])) {
		const method = methods.get(name);
		if (method !== void 0) bySpelling.set(spelling, method);
	}
	const { version, stateSchema, pureMethods } = staticsOf(exported, instance);
	return {
		shape: {
			methods: [...methods.keys()].sort(),
			version: typeof version === "string" ? version : void 0,
			hasHealth: all.has("health"),
			hasState: all.has("exportState") && all.has("importState"),
			stateSchema: typeof stateSchema === "string" || typeof stateSchema === "number" ? stateSchema : void 0,
			...Array.isArray(pureMethods) && { pureMethods: pureMethods.filter((name) => typeof name === "string") }
		},
		find: (name) => bySpelling.get(name),
		lifecycle: (name) => LIFECYCLE.has(name) ? all.get(name) : void 0
	};
}
/**
* Reads the static members of the class. If a constructor function's prototype was replaced, the instance's `constructor`
* is another function, so both are read.
*/
function staticsOf(exported, instance) {
	const own = exported;
	const made = instance.constructor ?? {};
	return {
		version: own.version ?? made.version,
		stateSchema: own.stateSchema ?? made.stateSchema,
		pureMethods: own.pureMethods ?? made.pureMethods
	};
}
/** An instance with a method `then` would be awaited like a promise. */
const isClassPart = (name) => name === "constructor" || name === "then";
// src/core/modules/host/inside/load/suite.ts
/**
* Makes a module of a suite file's exports. It has three methods: `list` returns the tests and the stubs, `run` runs a
* test, and `stub` answers a call in the place of a dependency. A test reaches the tested instance by calls of `ctx`: the
* dependency `module` stands for its methods, `health` for its health, and `calls` for the recorded calls of the stand-ins.
*/
function suiteModule(exported, namespace) {
	const { stubs, allow } = standInsOf(exported, namespace);
	return (ctx) => ({
		list() {
			return {
				tests: testsOf(exported).map((test) => {
					const { name, description, required, timeoutMs, run } = test ?? {};
					return {
						name,
						description,
						required,
						timeoutMs,
						runs: typeof run === "function"
					};
				}),
				stubs: listStubs(stubs),
				allow
			};
		},
		async run({ name, methods }, { signal }) {
			const module = {
				methods,
				call: (method, input) => ctx.call("module", method, input),
				health: async () => void await ctx.call("health", "health"),
				calls: async (dependency) => await ctx.call("calls", dependency)
			};
			let output;
			try {
				output = await testsOf(exported).find((test) => test.name === name)?.run(module, { signal });
			} catch (thrown) {
				return { thrown: messageOf(thrown) };
			}
			return { output: output instanceof Uint8Array ? void 0 : toJson(output, "output") };
		},
		stub({ dependency, method, json, bytes }, { signal }) {
			const stub = stubs?.[dependency];
			const answer = stub?.[method];
			if (typeof answer !== "function") throw new TypeError(`there is no stub for method ${method} of dependency ${dependency}`);
			return answer.call(stub, bytes === void 0 ? json : new Uint8Array(Buffer.from(bytes, "base64")), { signal });
		}
	});
}
function testsOf(exported) {
	if (Array.isArray(exported)) return exported;
	const { tests } = exported ?? {};
	if (Array.isArray(tests)) return tests;
	throw new TypeError(`it default-exports ${exported === void 0 ? "nothing" : `a value of type ${typeof exported}`}, not a list of tests`);
}
/**
* Finds the stubs and `allow`: members of the object with the tests, or otherwise exports of the file. In CommonJS, exports
* are members of the default export.
*/
function standInsOf(exported, namespace) {
	const { default: whole } = namespace;
	const places = [
		exported,
		namespace,
		whole
	].map((place) => place ?? {});
	return {
		stubs: places.find(({ stubs }) => stubs !== void 0)?.stubs,
		allow: places.find(({ allow }) => allow !== void 0)?.allow ?? []
	};
}
/** An invalid stub is listed unchanged, so that the service can describe the problem. */
function listStubs(stubs) {
	if (typeof stubs !== "object" || stubs === null || Array.isArray(stubs)) return stubs ?? {};
	return Object.fromEntries(Object.entries(stubs).map(([dependency, stub]) => [dependency, listStub(stub)]));
}
function listStub(stub) {
	if (typeof stub === "function") return null;
	if (typeof stub !== "object" || stub === null || Array.isArray(stub)) return stub;
	const methods = {};
	for (const name of namesOf(stub)) {
		const value = stub[name];
		methods[name] = typeof value === "function" ? { runs: true } : { answer: value };
	}
	return methods;
}
/** Returns the names of a stub's own members, and of its class's methods. */
function namesOf(stub) {
	const names = new Set(Object.keys(stub));
	for (let level = Object.getPrototypeOf(stub); level !== null && level !== Object.prototype; level = Object.getPrototypeOf(level)) for (const name of Object.getOwnPropertyNames(level)) if (name !== "constructor") names.add(name);
	return [...names];
}
function messageOf(thrown) {
	const { name, message } = toWire(thrown);
	return message === "" ? name : message;
}
// src/core/modules/host/inside/load/syntax.ts
/**
* If an import failed because a file is not valid JavaScript, adds the place to the error's stack. Node does not name it
* for modules that are not on the disk. Any other error stays as it is.
*/
function addPlaceOfSyntaxError(thrown, { root, files }) {
	if (!(thrown instanceof SyntaxError) || thrown.stack === void 0 || thrown.stack.includes(root)) return;
	for (const { path, format, source } of files) {
		if (format !== "module") continue;
		const line = wrongLine(Buffer.from(source).toString());
		if (line === void 0) continue;
		thrown.stack = `${pathToFileURL(join(root, path)).href}:${line}\n${thrown.stack}`;
		return;
	}
}
/** Returns the line of a syntax error, or undefined if none was found. */
function wrongLine(text) {
	try {
		stripTypeScriptTypes(text);
		return;
	} catch (error) {
		return /^[^\n]*:(\d+)\n/.exec(error instanceof SyntaxError ? error.stack ?? "" : "")?.[1];
	}
}
// src/core/modules/host/inside/open-call.ts
/** The context of a call in progress. The signal is created only if it is read, because most methods never read it. */
var OpenCall = class {
	#controller;
	#cancelled;
	get signal() {
		if (this.#controller === void 0) {
			this.#controller = new AbortController();
			if (this.#cancelled !== void 0) this.#controller.abort(this.#cancelled);
		}
		return this.#controller.signal;
	}
	cancel(reason) {
		this.#cancelled = new DOMException(reason, "AbortError");
		this.#controller?.abort(this.#cancelled);
	}
};
// src/core/modules/host/inside/permissions/sqlite.ts
/** Settings that tell SQLite where to put files. */
const PLACES = /* @__PURE__ */ new Set(["temp_store_directory", "data_store_directory"]);
/** Lets databases open only files that are granted. SQLite itself does not ask Node's permission model. */
function guardSqlite(sqlite) {
	const { DatabaseSync, backup, constants } = sqlite;
	const { prototype } = DatabaseSync;
	const { setAuthorizer, open } = prototype;
	const places = /* @__PURE__ */ new WeakMap();
	const authorizer = (database, own) => (action, first, second, ...rest) => {
		if (action === constants.SQLITE_ATTACH && !mayOpen(first, places.get(database)?.isReadOnly)) return constants.SQLITE_DENY;
		if (action === constants.SQLITE_PRAGMA && PLACES.has(first?.toLowerCase() ?? null) && second !== null) return constants.SQLITE_DENY;
		return own?.(action, first, second, ...rest) ?? constants.SQLITE_OK;
	};
	prototype.setAuthorizer = function(own) {
		setAuthorizer.call(this, authorizer(this, own ?? void 0));
	};
	prototype.open = function() {
		const place = places.get(this);
		if (place !== void 0) check(place);
		open.call(this);
		setAuthorizer.call(this, authorizer(this, void 0));
	};
	const guarded = new Proxy(DatabaseSync, { construct(target, args, newTarget) {
		const [path, options] = args;
		const place = {
			name: nameOf(path),
			isReadOnly: options?.readOnly === true
		};
		check(place);
		const database = Reflect.construct(target, args, newTarget);
		places.set(database, place);
		if (database.isOpen) setAuthorizer.call(database, authorizer(database, void 0));
		return database;
	} });
	prototype.constructor = guarded;
	Object.assign(sqlite, {
		DatabaseSync: guarded,
		backup: async (...args) => {
			check({
				name: nameOf(args[1]),
				isReadOnly: false
			});
			return backup(...args);
		}
	});
}
function nameOf(path) {
	if (path instanceof URL) return path.href;
	return path instanceof Uint8Array ? Buffer.from(path).toString() : String(path);
}
function check({ name, isReadOnly }) {
	if (!mayOpen(name, isReadOnly)) throw denied(`opening the database ${name} needs ${isReadOnly ? "fs_read" : "fs_read and fs_write"} for it`, isReadOnly ? "FileSystemRead" : "FileSystemWrite", name);
}
function mayOpen(name, isReadOnly = false) {
	if (name === null) return false;
	if (name === "" || name === ":memory:") return true;
	const file = fileOf(name);
	if (file === void 0) return false;
	const { permission } = process;
	return permission.has("fs.read", file) && (isReadOnly || permission.has("fs.write", file));
}
/** Returns the path that SQLite opens for a name or a URI, or undefined if the URI is invalid. */
function fileOf(name) {
	if (!name.startsWith("file:")) return resolve(name);
	try {
		const [plain = ""] = name.slice(5).split(/[?#]/, 1);
		return plain.startsWith("//") ? fileURLToPath(`file:${plain}`) : resolve(decodeURIComponent(plain));
	} catch {
		return;
	}
}
// src/core/modules/host/inside/permissions/guards.ts
/**
* Refuses actions that Node's permission model allows: signals to other processes, SQLite databases in files that are not
* granted, and in a thread the settings of the whole service. Must be called before the module's code runs. This protects
* against mistakes: malicious code can get around it.
*/
function guard() {
	guardSignals();
	const sqlite = process.getBuiltinModule("node:sqlite");
	if (isMainThread && sqlite === void 0) return;
	if (!isMainThread) guardService();
	if (sqlite !== void 0) guardSqlite(sqlite);
	syncBuiltinESMExports();
}
/** Closes the descriptors that the service inherited from its parent, and passed on to this process. */
function closeInherited() {
	if (!isMainThread) return;
	for (const descriptor of process.argv.splice(2)) try {
		closeSync(Number(descriptor));
	} catch {}
}
function guardSignals() {
	const internal = process;
	const kill = internal._kill;
	const itself = process.pid;
	const service = isMainThread ? process.ppid : itself;
	const mayStart = internal.permission.has("child");
	const isOwn = (pid) => isMainThread && (pid === itself || pid === 0 || pid === -itself);
	const mayReach = (pid) => mayStart && Math.abs(pid) !== service && pid !== -1 && pid !== 0;
	internal._kill = (pid, signal) => {
		if (signal === 0 || isOwn(pid) || mayReach(pid)) return kill(pid, signal);
		throw denied("a module may not send signals to the service, and needs child_process to send them to other processes", "ChildProcess", String(pid));
	};
	for (const name of ["_debugProcess", "_debugEnd"]) Object.defineProperty(process, name, { value: void 0 });
}
/** Removes from a thread what would show or change the whole process, which is the service. */
function guardService() {
	Object.defineProperty(process, "report", { value: void 0 });
	v8.setFlagsFromString = () => {
		throw denied("V8's flags apply to the whole service", "Service");
	};
}
// src/core/modules/host/inside/quiet.ts
/** Taken before the module's code runs, which can replace it. */
const inTurn = setImmediate;
function createQuiet(activity) {
	const waiting = /* @__PURE__ */ new Map();
	const wait = (id, work) => {
		const { promise, resolve, reject } = Promise.withResolvers();
		const first = [...activity.calls()];
		let isPatient = true;
		let isLooking = false;
		const take = () => {
			waiting.delete(id);
			activity.hold();
			resolve(Promise.try(work));
		};
		const see = () => {
			isLooking = false;
			if (!waiting.has(id)) return;
			const calls = activity.calls();
			if (calls.size === 0 && activity.methods() === 0) take();
			else if (!isPatient && !first.some((call) => calls.has(call))) activity.hold();
		};
		const look = () => {
			if (isLooking) return;
			isLooking = true;
			inTurn(see);
		};
		waiting.set(id, {
			look,
			press(how) {
				if (how === "take") take();
				else if (how === "hold") activity.hold();
				else isPatient = false;
				look();
			},
			cancel() {
				waiting.delete(id);
				reject(/* @__PURE__ */ new Error("the wait was cancelled"));
			}
		});
		look();
		return promise;
	};
	return {
		take: wait,
		press: (id, how) => waiting.get(id)?.press(how),
		changed() {
			if (waiting.size > 0) for (const { look } of waiting.values()) look();
		},
		cancel(id) {
			const which = id === void 0 ? [...waiting.values()] : [waiting.get(id)];
			for (const one of which) one?.cancel();
			return which.some((one) => one !== void 0);
		}
	};
}
// src/core/modules/host/inside/refusals.ts
/** Levels of causes that are searched. */
const DEPTH = 10;
function createRefusals() {
	const known = /* @__PURE__ */ new WeakSet();
	const explains = (thrown, depth) => {
		if (typeof thrown !== "object" || thrown === null || depth === 0) return false;
		if (known.has(thrown)) return true;
		const { cause, errors } = thrown;
		if (explains(cause, depth - 1)) return true;
		return Array.isArray(errors) && errors.length > 0 && errors.every((error) => explains(error, depth - 1));
	};
	return {
		add: (error) => void known.add(error),
		explain(thrown) {
			try {
				return explains(thrown, DEPTH);
			} catch {
				return false;
			}
		}
	};
}
// src/core/modules/host/inside/spawned.ts
/**
* Reports to the service which processes a thread starts, because the kernel counts them as the service's own. The returned
* function reports them at once. It must be called before an answer is sent, because the thread may be killed right after
* it.
*/
function reportProcesses(link) {
	if (isMainThread) return () => {};
	const unreported = /* @__PURE__ */ new Set();
	const report = () => {
		for (const { pid } of unreported) if (pid !== void 0) link.send({
			type: "spawned",
			pid
		});
		unreported.clear();
	};
	subscribe("tracing:child_process.spawn:end", (message) => {
		unreported.add(message.process);
		queueMicrotask(report);
	});
	process.on("exit", report);
	return report;
}
// src/core/modules/host/inside/usage.ts
const { memoryUsage } = process;
const { setFlagsFromString } = v8;
const eventLoopUtilization = performance$1.eventLoopUtilization.bind(performance$1);
let collectGarbage;
/**
* Creates a function that reads the usage. The utilization of the event loop is measured from that function's previous
* call.
*/
function createUsageReader() {
	let last = eventLoopUtilization();
	return (collect) => {
		if (collect) {
			collectGarbage ??= exposedCollector();
			collectGarbage();
		}
		const { heapUsed, external } = memoryUsage();
		const now = eventLoopUtilization();
		const { utilization } = eventLoopUtilization(now, last);
		last = now;
		return {
			heapUsedBytes: heapUsed,
			externalBytes: external,
			eventLoopUtilization: utilization
		};
	};
}
function exposedCollector() {
	setFlagsFromString("--expose-gc");
	return runInNewContext("gc");
}
// src/core/modules/host/inside/main.ts
closeInherited();
const link = openLink();
const readUsage = createUsageReader();
const readForPong = createUsageReader();
/** Used twice in a row: only the second callback surely runs after the event loop has read again. */
const afterImmediate = setImmediate;
const inProgress = new AsyncLocalStorage();
const calls = /* @__PURE__ */ new Map();
let context;
let methods;
/** Most bytes of an answer's output. */
let room = MAX_ANSWER_BYTES;
/** Standard error goes to the log, so that readers get the stack as well. */
const writeToStderr = ({ name, message, stack }) => {
	try {
		process.stderr.write(`${stack || `${name}: ${message}`}\n`);
	} catch {}
};
const fatal = (thrown) => {
	const error = toWire(thrown);
	link.send({
		type: "fatal",
		error
	});
	writeToStderr(error);
	link.end(1);
};
const log = (level, message, fields) => link.send({
	type: "log",
	level,
	message,
	fields
});
/**
* Whether the warning about unhandled refusals has been logged. It is logged once for each time that the instance serves.
*/
let isRefusalLogged = false;
const refusals = createRefusals();
const uncaught = (thrown) => {
	const isRefusal = refusals.explain(thrown);
	if (!isRefusal) fatal(thrown);
	if (!isRefusal || isRefusalLogged) return;
	isRefusalLogged = true;
	const { message } = toWire(thrown);
	log("warn", "a call that the module made of its own accord was refused, and the module did not handle the error", { error: message });
};
process.on("uncaughtException", uncaught);
process.on("unhandledRejection", uncaught);
const duty = createDuty({
	ofServe: uncaught,
	ofRetire: (thrown) => log("error", "a listener of ctx.onRetire failed", { ...toWire(thrown) })
});
const NO_CALLS = /* @__PURE__ */ new Set();
const quiet = createQuiet({
	methods: () => calls.size,
	calls: () => context?.calls ?? NO_CALLS,
	hold: () => context?.hold()
});
const reportStarted = reportProcesses(link);
const inbox = createInbox({
	now: machineTime,
	later: (run) => void afterImmediate(() => afterImmediate(run)),
	handle(message) {
		if (message.type === "call") answerCall(message.id, message.method, fromPayload(message.input));
		else handle(message).catch(fatal);
	},
	cancel(id, reason) {
		const call = calls.get(id);
		call?.cancel(reason);
		return quiet.cancel(id) || call !== void 0;
	},
	drop: (id) => link.send({
		type: "dropped",
		id
	})
});
link.onMessages(inbox.put);
async function handle(message) {
	switch (message.type) {
		case "start": return start(message);
		case "lifecycle": return reply(message.id, () => lifecycle(message.method, message.args));
		case "import": return reply(message.id, () => importState(deserialize(message.state), message.from));
		case "quiet":
			if (message.exports) return sendState(message.id);
			return reply(message.id, () => quiet.take(message.id, () => {}));
		case "press": return quiet.press(message.id, message.how);
		case "duty": return changeDuty(message.duty);
		case "usage": return reply(message.id, () => readUsage(message.collect));
		case "ping": return link.send({
			type: "pong",
			usage: readForPong(false)
		});
		case "answer":
			context?.answer(message.id, message.value);
			return;
		case "refusal": context?.refuse(message.id, message.error);
	}
}
/** Returns the id of the call that the running code helps to answer, if its method still runs. */
function callInProgress() {
	const id = inProgress.getStore() ?? 0;
	if (id === -1) return isExporting ? -1 : 0;
	return calls.has(id) ? id : 0;
}
function changeDuty(next) {
	quiet.cancel();
	if (next === "serve") {
		isRefusalLogged = false;
		duty.serve();
	} else if (next === "retire") duty.retire();
	context?.release();
}
let isExporting = false;
/** Sends the module's state, which the next version imports. */
async function sendState(id) {
	try {
		link.send({
			type: "state",
			id,
			state: serialize(await quiet.take(id, exportState))
		});
	} catch (thrown) {
		link.send({
			type: "error",
			id,
			error: toWire(thrown)
		});
	}
}
async function exportState() {
	isExporting = true;
	try {
		const state = await inProgress.run(-1, async () => methods?.lifecycle("exportState")?.());
		checkState(state);
		return state;
	} finally {
		isExporting = false;
	}
}
async function start(message) {
	const step = (name) => link.send({
		type: "step",
		step: name
	});
	try {
		if (message.assets !== void 0) translatePlaces(message.assets.directory, message.root);
		guard();
		const entry = serveCode(message);
		step("import");
		const namespace = await import(entry);
		const imported = exportedOf(namespace);
		const exported = message.kind === "suite" ? suiteModule(imported, namespace) : imported;
		checkExported(exported);
		step("construct");
		const { version: ofClass } = exported;
		const version = chosenVersion({
			asked: message.version,
			otherwise: message.defaultVersion
		}, typeof ofClass === "string" ? ofClass : void 0);
		room = roomForAnswer(message.name, version);
		context = createContext({
			...message,
			version
		}, link, {
			callInProgress,
			duty,
			onAnswered: () => quiet.changed(),
			onRefused: (error) => refusals.add(error)
		});
		const { ctx } = context;
		const { instance } = await construct(exported, ctx);
		step("start");
		methods = methodsOf(instance, exported, hiddenIn(message.files));
		await methods.lifecycle("start")?.(ctx);
		link.send({
			type: "ready",
			shape: methods.shape
		});
	} catch (thrown) {
		addPlaceOfSyntaxError(thrown, message);
		if (thrown instanceof Unfit) link.send({
			type: "invalid",
			problem: thrown.message
		});
		else link.send({
			type: "failed",
			error: toWire(thrown)
		});
	}
}
/** Sends the result of `work`, or an error if it fails or its result cannot be sent. */
async function reply(id, work) {
	try {
		link.send({
			type: "result",
			id,
			value: await work()
		});
	} catch (thrown) {
		link.send({
			type: "error",
			id,
			error: toWire(thrown)
		});
	}
}
async function importState(state, from) {
	await methods?.lifecycle("importState")?.(state, from);
}
/** Calls a method. This is the hot path, so a method that returns its answer at once needs no promise. */
function answerCall(id, name, input) {
	const call = new OpenCall();
	calls.set(id, call);
	try {
		const method = methods?.find(name);
		if (method === void 0) throw new TypeError(`the module has no method ${name}`);
		const output = inProgress.run(id, method, input, call);
		if (isThenable(output)) Promise.resolve(output).then((value) => succeed(id, name, value), (thrown) => fail(id, thrown));
		else succeed(id, name, output);
	} catch (thrown) {
		fail(id, thrown);
	}
}
function isThenable(value) {
	if (typeof value !== "object" && typeof value !== "function" || value === null) return false;
	return typeof value.then === "function";
}
/** Sends the answer. If it cannot be sent, the call fails. */
function succeed(id, method, value) {
	try {
		reportStarted();
		const output = toPayload(value, "output");
		link.send({
			type: "output",
			id,
			output
		}, ([, , , , , ...content]) => checkAnswer(method, output, content, room));
		methodEnded(id);
	} catch (thrown) {
		fail(id, thrown);
	}
}
function methodEnded(id) {
	calls.delete(id);
	quiet.changed();
}
function fail(id, thrown) {
	methodEnded(id);
	reportStarted();
	link.send({
		type: "error",
		id,
		error: toWire(thrown)
	});
}
async function lifecycle(name, args) {
	if (name === "stop") {
		changeDuty("retire");
		context?.abort();
	}
	await methods?.lifecycle(name)?.(...args);
	if (name === "stop") setImmediate(() => link.end(0));
}
export {};
