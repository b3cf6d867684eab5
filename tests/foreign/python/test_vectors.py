"""The test vectors of testdata, against an evaluation of flags in plain Python: no line of it is Helios' own."""

import json
import pathlib
import unittest
from datetime import datetime

from condition_program import Failed, Program

TESTDATA = pathlib.Path(__file__).parents[3] / "testdata"
BUCKETS = 100_000
MAX_STEPS, MAX_BYTES, MAX_CLOSURE = 10_000, 1_048_576, 256
MASK = 0xFFFFFFFF


def read(name):
    return json.loads((TESTDATA / name).read_text(encoding="utf-8"))


def murmur3(data, seed):
    def rotate(word, by):
        return ((word << by) | (word >> (32 - by))) & MASK

    def scramble(block):
        return rotate(block * 0xCC9E2D51 & MASK, 15) * 0x1B873593 & MASK

    value = seed
    whole = len(data) // 4 * 4
    for at in range(0, whole, 4):
        value ^= scramble(int.from_bytes(data[at : at + 4], "little"))
        value = (rotate(value, 13) * 5 + 0xE6546B64) & MASK
    value ^= scramble(int.from_bytes(data[whole:], "little"))
    value ^= len(data)
    value = (value ^ value >> 16) * 0x85EBCA6B & MASK
    value = (value ^ value >> 13) * 0xC2B2AE35 & MASK
    return value ^ value >> 16


def hash_of(salt, key, seed):
    return murmur3(f"{salt}:{key}".encode("utf-8"), seed)


def bucket_of(salt, key, seed):
    return hash_of(salt, key, seed) * BUCKETS >> 32


def milliseconds(text):
    return round(datetime.fromisoformat(text).timestamp() * 1000)


def thousandths(percentage):
    return round(percentage * 1000)


class Answer(Exception):
    """Ends an evaluation."""

    def __init__(self, reason, error_code=None, bucket=None, killed=False):
        super().__init__(reason)
        self.fields = answer(False, "off", False, reason, error_code, bucket, None, killed)


def answer(enabled, variant, value, reason, error_code=None, bucket=None, variant_bucket=None, killed=False):
    return {
        "enabled": enabled,
        "variant": variant,
        "value": value,
        "reason": reason,
        "error_code": error_code,
        "bucket": bucket,
        "variant_bucket": variant_bucket,
        "killed": killed,
    }


def evaluate(name, case):
    try:
        return evaluated(name, case)
    except Answer as off:
        return off.fields


def evaluated(name, case):
    flags, context = case["flags"], case["context"]
    flag = flags[name]
    if not flag["enabled"]:
        raise Answer("DISABLED", killed=flag.get("killed", False))
    needed = closure_of(flag, flags)
    if len(needed) > MAX_CLOSURE:
        raise Answer("ERROR", "TOO_MANY_PREREQUISITES")
    if any(each not in flags for each in needed):
        raise Answer("ERROR", "PREREQUISITE_MISSING")
    budget = Budget()
    for each in needed:
        try:
            alone(each, case, budget)
        except Answer:
            raise Answer("ERROR", "CONDITION_FAILED") if budget.is_exceeded else Answer("DEFAULT")
    return alone(name, case, budget)


class Budget:
    """What the conditions of one evaluation have used together."""

    def __init__(self):
        self.steps = self.bytes = 0

    def use(self, steps, made):
        self.steps += steps
        self.bytes += made

    @property
    def is_exceeded(self):
        return self.steps > MAX_STEPS or self.bytes > MAX_BYTES


def alone(name, case, budget):
    """The flag as if all that it needs were on."""
    flag, context = case["flags"][name], case["context"]
    if not flag["enabled"]:
        raise Answer("DISABLED")
    holds = case["conditions"].get(name, True)
    if name in case["costs"]:
        budget.use(*case["costs"][name])
        holds = "error" if budget.is_exceeded else holds
    if holds == "error":
        raise Answer("ERROR", "CONDITION_FAILED")
    if not holds:
        raise Answer("DEFAULT")
    key = key_of(flag, context)
    reason, bucket = strategic(name, flag, context, key, milliseconds(case["now"]))
    return form(name, flag, key, reason, bucket)


def closure_of(flag, flags):
    """What it names, then what the first of them names, and so on; each once."""
    found = list(dict.fromkeys(flag.get("prerequisites", [])))
    for each in found:
        if len(found) > MAX_CLOSURE:
            break
        found += [name for name in flags.get(each, {}).get("prerequisites", []) if name not in found]
    return found


def key_of(flag, context):
    by = flag.get("bucket_by", "session_id")
    return context.get(by) or (context.get("user_id") if by == "session_id" else None)


def strategic(name, flag, context, key, now):
    """Why the flag is on, and the bucket, if one decided."""
    strategy = flag["strategy"]
    fixed = "TARGETING_MATCH" if "condition" in flag or flag.get("prerequisites") else "STATIC"
    if strategy == "all_on":
        return fixed, None
    if strategy == "all_off":
        raise Answer(fixed)
    if strategy == "whitelist" or flag.get("whitelist_first", False):
        if any(listed(entry, context) for entry in flag.get("whitelist", [])):
            return "TARGETING_MATCH", None
        if strategy == "whitelist":
            raise Answer("DEFAULT")
    share = thousandths(flag["percentage"]) if strategy == "percentage" else scheduled(flag["gradual"], now)
    if not key:
        if share == BUCKETS:
            return "SPLIT", None
        raise Answer("SPLIT") if share == 0 else Answer("ERROR", "TARGETING_KEY_MISSING")
    bucket = bucket_of(flag.get("salt", name), key, 0)
    if bucket < share:
        return "SPLIT", bucket
    raise Answer("SPLIT", bucket=bucket)


FIELDS = ("user_id", "symbol", "system", "session_id")


def listed(entry, context):
    field, colon, value = entry.partition(":")
    if colon and field in FIELDS:
        return context.get(field) == value != ""
    return any(context.get(each) == entry for each in FIELDS)


def scheduled(gradual, now):
    initial = thousandths(gradual["initial_percentage"])
    target = thousandths(gradual["target_percentage"])
    if "start_time" not in gradual:
        return initial
    start, end = milliseconds(gradual["start_time"]), milliseconds(gradual["end_time"])
    at = milliseconds(gradual["paused_at"]) if "paused_at" in gradual else now
    at = min(max(at, start), end)
    moved = abs(target - initial) * (at - start) // (end - start)
    return initial + moved if target > initial else initial - moved


def form(name, flag, key, reason, bucket):
    variants = [each for each in flag.get("variants", []) if each["weight"] > 0]
    if not variants:
        return answer(True, "on", True, reason, bucket=bucket)
    if len(variants) == 1:
        return answer(True, variants[0]["name"], variants[0].get("value", True), reason, bucket=bucket)
    if not key:
        raise Answer("ERROR", "TARGETING_KEY_MISSING")
    variant_bucket = bucket_of(flag.get("salt", name), key, 1)
    total = sum(each["weight"] for each in variants)
    cumulative = 0
    for each in variants:
        cumulative += each["weight"]
        if variant_bucket * total < cumulative * BUCKETS:
            because = "SPLIT" if reason == "STATIC" else reason
            return answer(True, each["name"], each.get("value", True), because, None, bucket, variant_bucket)
    raise AssertionError("no variant has the bucket")


class VectorsTest(unittest.TestCase):
    maxDiff = None

    def test_keys_hash_to_the_buckets_of_the_vectors(self):
        vectors = read("bucketing.json")
        self.assertGreater(len(vectors["buckets"]), 200)
        for vector in [*vectors["buckets"], *vectors["lone_surrogates"]]:
            salt = vector["salt"]
            if "key_utf16" in vector:
                units = b"".join(unit.to_bytes(2, "little") for unit in vector["key_utf16"])
                key = units.decode("utf-16-le", errors="replace")
                self.assertEqual(key, vector["key_hashed_as"])
            else:
                key = vector["key"]
            with self.subTest(salt=salt, key=key):
                self.assertEqual(hash_of(salt, key, 0), vector["hash"])
                self.assertEqual(bucket_of(salt, key, 0), vector["bucket"])
                self.assertEqual(hash_of(salt, key, 1), vector["variant_hash"])
                self.assertEqual(bucket_of(salt, key, 1), vector["variant_bucket"])

    def test_flags_answer_as_the_vectors_say(self):
        cases = read("evaluation.json")["cases"]
        self.assertGreater(len(cases), 200)
        for case in cases:
            with self.subTest(case["title"]):
                self.assertEqual(evaluate(case["name"], case), case["expected"])

    def test_conditions_answer_as_the_vectors_say_and_take_as_many_steps(self):
        vectors = read("conditions.json")
        self.assertGreater(sum(len(each["cases"]) for each in vectors["conditions"]), 3000)
        for each in vectors["conditions"]:
            program = Program(each["program"])
            for case in each["cases"]:
                expected = {key: case[key] for key in ("outcome", "failed", "steps", "bytes")}
                with self.subTest(each["condition"], context=str(case["context"])[:200]):
                    self.assertEqual(decided(program, written_out(case["context"])), expected)


def written_out(context):
    attributes = dict(context.get("attributes", {}))
    for name, (text, times) in context.get("repeated_texts", {}).items():
        attributes[name] = text * times
    for name, (value, times) in context.get("repeated_values", {}).items():
        attributes[name] = [value] * times
    return {**context, "attributes": attributes}


def decided(program, context):
    try:
        answer, run = program.run(context)
    except Failed as failed:
        over = failed.kind != "VALUE"
        steps, made = (None, None) if over else (failed.run.steps, failed.run.bytes)
        return {"outcome": "failed", "failed": failed.kind, "steps": steps, "bytes": made}
    return {"outcome": "on" if answer else "off", "failed": None, "steps": run.steps, "bytes": run.bytes}


if __name__ == "__main__":
    unittest.main()
