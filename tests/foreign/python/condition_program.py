"""An interpreter of helios.v1.ConditionProgram in plain Python, over its JSON form: no line of it is Helios' own.

What a client in another language needs to decide as the server does. `evaluate(program, context)` answers True or False,
or raises Failed; `Run` counts what it takes.
"""

import base64
import math
import re

MAX_DEPTH = 100
MIN_INT, MAX_INT, MAX_UINT = -(2**63), 2**63 - 1, 2**64 - 1
NS = 10**9
MIN_TIMESTAMP, MAX_TIMESTAMP = -62_135_596_800 * NS, 253_402_300_800 * NS - 1


class Failed(Exception):
    """An evaluation failed: by a value, or by a limit, which nothing absorbs."""

    def __init__(self, kind, message):
        super().__init__(message)
        self.kind = kind


class Uint:
    def __init__(self, value):
        self.value = value


class Timestamp:
    def __init__(self, ns):
        self.ns = ns


class Duration:
    def __init__(self, ns):
        self.ns = ns


class Type:
    def __init__(self, name):
        self.name = name


class Map:
    """Members by their key, made equal for numbers that are equal. `ordered`: as they were written."""

    def __init__(self, ordered):
        self.members = {}
        self.ordered = ordered


class Run:
    def __init__(self, max_steps, max_bytes):
        self.max_steps, self.max_bytes = max_steps, max_bytes
        self.steps = self.bytes = 0
        self.slots = {}

    def step(self, count=1):
        self.steps += count
        if self.steps > self.max_steps:
            raise Failed("STEPS", f"more than {self.max_steps} steps")

    def go(self, units):
        self.step(units // 32)

    def make(self, count):
        self.bytes += count
        if self.bytes > self.max_bytes:
            raise Failed("MEMORY", f"more than {self.max_bytes} bytes")


def wrong(message="values that do not fit"):
    return Failed("VALUE", message)


def units(text):
    return len(text) + sum(char > "\uffff" for char in text)


def from_json(value):
    if value is None or isinstance(value, (bool, str)):
        return value
    if isinstance(value, (int, float)):
        return float(value)
    if isinstance(value, list):
        return [from_json(each) for each in value]
    made = Map(ordered=False)
    for key, each in value.items():
        made.members[("text", key)] = (key, from_json(each))
    return made


def kind_of(value):
    names = {
        type(None): "null_type",
        bool: "bool",
        int: "int",
        Uint: "uint",
        float: "double",
        str: "string",
        bytes: "bytes",
        list: "list",
        Map: "map",
        Type: "type",
        Timestamp: "google.protobuf.Timestamp",
        Duration: "google.protobuf.Duration",
    }
    return names[type(value)]


def number(value):
    """What a number is worth; None: it is no number."""
    if type(value) in (int, float):
        return value
    return value.value if isinstance(value, Uint) else None


def key_of(value):
    if isinstance(value, str):
        return ("text", value)
    if isinstance(value, bool):
        return ("bool", value)
    worth = number(value)
    if worth is None or worth != math.floor(worth):
        return None
    return ("number", int(worth))


def member(run, of, key):
    """The member, as (key, value); None: there is none."""
    if isinstance(key, str):
        run.go(units(key))
    return of.members.get(key_of(key))


# Numbers


def int64(value):
    if MIN_INT <= value <= MAX_INT:
        return value
    raise wrong("an int of more than 64 bits")


def uint64(value):
    if 0 <= value <= MAX_UINT:
        return Uint(value)
    raise wrong("a uint of more than 64 bits")


def double(value):
    if math.isfinite(value):
        return value
    raise wrong("a double that is not finite")


def duration(ns):
    if MIN_INT <= ns <= MAX_INT:
        return Duration(ns)
    raise wrong("a duration of more than 64 bits")


def timestamp(ns):
    if MIN_TIMESTAMP <= ns <= MAX_TIMESTAMP:
        return Timestamp(ns)
    raise wrong("a timestamp beyond the years 1 to 9999")


def toward_zero(a, b):
    quotient = abs(a) // abs(b)
    return quotient if (a < 0) == (b < 0) else -quotient


def arithmetic(run, op, a, b):
    kinds = (type(a), type(b))
    if kinds == (float, float) and op != "MODULO":
        if op == "DIVIDE" and b == 0:
            raise wrong("a division by zero")
        try:
            return double({"ADD": a + b, "SUBTRACT": a - b, "MULTIPLY": a * b, "DIVIDE": a / b if b else 0.0}[op])
        except OverflowError as error:
            raise wrong("a double that is not finite") from error
    if kinds == (int, int):
        return int64(whole(op, a, b))
    if kinds == (Uint, Uint):
        return uint64(whole(op, a.value, b.value))
    if op == "ADD":
        return added(run, a, b)
    if op == "SUBTRACT":
        if kinds in ((Timestamp, Timestamp), (Duration, Duration)):
            return duration(a.ns - b.ns)
        if kinds == (Timestamp, Duration):
            return timestamp(a.ns - b.ns)
    raise wrong()


def whole(op, a, b):
    if op == "ADD":
        return a + b
    if op == "SUBTRACT":
        return a - b
    if op == "MULTIPLY":
        return a * b
    if b == 0:
        raise wrong("a division by zero")
    quotient = toward_zero(a, b)
    return quotient if op == "DIVIDE" else a - quotient * b


def added(run, a, b):
    kinds = (type(a), type(b))
    if kinds == (str, str):
        length = units(a) + units(b)
        run.go(length)
        run.make(16 + 2 * length)
        return a + b
    if kinds == (list, list) or kinds == (bytes, bytes):
        run.go(len(a) + len(b))
        run.make(16 + (len(a) + len(b)) * (8 if kinds == (list, list) else 1))
        return a + b
    if kinds == (Duration, Duration):
        return duration(a.ns + b.ns)
    if set(kinds) == {Timestamp, Duration}:
        return timestamp(a.ns + b.ns)
    raise wrong()


# Comparison


def equal(run, a, b, depth=0):
    if isinstance(a, str):
        if not isinstance(b, str):
            return False
        run.go(min(units(a), units(b)))
        return a == b
    x, y = number(a), number(b)
    if x is not None or y is not None:
        return x is not None and y is not None and x == y
    if type(a) is not type(b):
        return False
    if a is None or isinstance(a, bool):
        return a == b
    if isinstance(a, bytes):
        run.go(min(len(a), len(b)))
        return a == b
    if isinstance(a, (Timestamp, Duration)):
        return a.ns == b.ns
    if isinstance(a, Type):
        return a.name == b.name
    if depth >= MAX_DEPTH:
        raise wrong("a value that is nested too deeply")
    if isinstance(a, list):
        if len(a) != len(b):
            return False
        for x, y in zip(a, b):
            run.step()
            if not equal(run, x, y, depth + 1):
                return False
        return True
    run.step(1 + len(a.members))
    run.step(1 + len(b.members))
    if len(a.members) != len(b.members):
        return False
    # All of them, so that their order does not matter.
    answers = []
    for key, value in a.members.values():
        other = member(run, b, key)
        answers.append(other is not None and equal(run, value, other[1], depth + 1))
    return all(answers)


def order(run, a, b):
    x, y = number(a), number(b)
    if x is not None and y is not None:
        return (x > y) - (x < y)
    if type(a) is not type(b):
        raise wrong()
    if isinstance(a, str):
        run.step(min(units(a), units(b)) // 4)
    elif isinstance(a, bytes):
        run.go(min(len(a), len(b)))
    elif isinstance(a, (Timestamp, Duration)):
        a, b = a.ns, b.ns
    elif not isinstance(a, bool):
        raise wrong()
    # Python compares texts by code points.
    return (a > b) - (a < b)


def is_in(run, value, of):
    if isinstance(of, list):
        for each in of:
            run.step()
            if equal(run, value, each):
                return True
        return False
    if not isinstance(of, Map) or not isinstance(value, (str, bool, int, float, Uint)):
        raise wrong()
    return member(run, of, value) is not None


def index(run, of, key):
    if isinstance(of, list):
        at = number(key)
        if at is None or at != math.floor(at) or not 0 <= at < len(of):
            raise wrong("no such element")
        return of[int(at)]
    if not isinstance(of, Map):
        raise wrong()
    found = member(run, of, key)
    if found is None:
        raise wrong("no such member")
    return found[1]


# Conversions


def text_of_double(value):
    """As ECMAScript writes it."""
    if value == 0:
        return "0"
    sign = "-" if value < 0 else ""
    mantissa, _, exponent = f"{abs(value)!r}".partition("e")
    before, _, after = mantissa.partition(".")
    digits = (before + after).lstrip("0")
    # The value is 0.digits × 10 ** point.
    point = len(before) + int(exponent or 0) - (len(before + after) - len((before + after).lstrip("0")))
    digits = digits.rstrip("0")
    count = len(digits)
    if count <= point <= 21:
        return sign + digits + "0" * (point - count)
    if 0 < point <= 21:
        return f"{sign}{digits[:point]}.{digits[point:]}"
    if -6 < point <= 0:
        return f"{sign}0.{'0' * -point}{digits}"
    rest = f".{digits[1:]}" if count > 1 else ""
    return f"{sign}{digits[0]}{rest}e{'+' if point > 0 else '-'}{abs(point - 1)}"


def decimals(nanos):
    digits = f"{nanos:09d}"
    if nanos == 0:
        return ""
    return "." + (digits[:3] if digits.endswith("000000") else digits[:6] if digits.endswith("000") else digits)


def text_of_timestamp(value):
    seconds, nanos = divmod(value.ns, NS)
    year, month, day, _ = civil(seconds // 86_400)
    rest = seconds % 86_400
    clock = f"{rest // 3600:02d}:{rest % 3600 // 60:02d}:{rest % 60:02d}"
    return f"{year:04d}-{month:02d}-{day:02d}T{clock}{decimals(nanos)}Z"


def text_of_duration(value):
    seconds, nanos = divmod(abs(value.ns), NS)
    return f"{'-' if value.ns < 0 else ''}{seconds}{decimals(nanos)}s"


def read_text(text, pattern):
    found = re.fullmatch(pattern, text, re.ASCII) if len(text) <= 64 else None
    if found is None:
        raise wrong("a text that cannot be converted")
    return found


TIMESTAMP = r"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?(?:Z|([+-])(\d\d):(\d\d))"
DURATION = r"-?(?:0|(?:\d+(?:\.\d+)?(?:h|ms|m|s|us|µs|ns))+)"
WORTH = {"h": 3600 * NS, "m": 60 * NS, "s": NS, "ms": 10**6, "us": 1000, "µs": 1000, "ns": 1}


def read_timestamp(text):
    parts = read_text(text, TIMESTAMP).groups()
    year, month, day, hour, minute, second = map(int, parts[:6])
    away = (int(parts[8] or 0), int(parts[9] or 0))
    exists = 1 <= month <= 12 and year >= 1 and 1 <= day <= days_in(year, month)
    if not (exists and hour <= 23 and minute <= 59 and second <= 59 and away[0] <= 23 and away[1] <= 59):
        raise wrong("a time that does not exist")
    offset = (away[0] * 3600 + away[1] * 60) * (-1 if parts[7] == "-" else 1)
    seconds = day_number(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second - offset
    return timestamp(seconds * NS + int((parts[6] or "").ljust(9, "0")))


def read_duration(text):
    read_text(text, DURATION)
    ns = 0
    for before, after, unit in re.findall(r"(\d+)(?:\.(\d+))?(h|ms|m|s|us|µs|ns)", text, re.ASCII):
        ns += int(before) * WORTH[unit]
        if after:
            ns += int(after) * WORTH[unit] // 10 ** len(after)
    return duration(-ns if text.startswith("-") else ns)


def read_double(text):
    read_text(text, r"-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?")
    return double(float(text))


def read_bool(text):
    if text in ("true", "True", "TRUE", "t", "1"):
        return True
    if text in ("false", "False", "FALSE", "f", "0"):
        return False
    raise wrong("a text that is no bool")


def convert(run, op, value):
    to = op[3:].lower()
    if isinstance(value, str) and to not in ("string", "bytes"):
        run.step(units(value) // 2)
        reads = {
            "int": lambda: int64(int(read_text(value, r"-?\d+")[0])),
            "uint": lambda: uint64(int(read_text(value, r"\d+")[0])),
            "double": lambda: read_double(value),
            "bool": lambda: read_bool(value),
            "timestamp": lambda: read_timestamp(value),
            "duration": lambda: read_duration(value),
        }
        return reads[to]()
    if to == "string":
        return to_string(run, value)
    kind = type(value)
    if to == "bytes" and kind is str:
        run.go(units(value))
        try:
            made = value.encode()
        except UnicodeEncodeError as error:
            raise wrong("a text with half a character") from error
        run.make(16 + len(made))
        return made
    if {"int": int, "uint": Uint, "double": float, "bool": bool, "bytes": bytes}.get(to) is kind:
        return value
    if to == "timestamp" and kind in (Timestamp, int):
        return value if kind is Timestamp else timestamp(value * NS)
    if to == "duration" and kind in (Duration, int):
        return value if kind is Duration else duration(value * NS)
    if to == "int" and kind in (Uint, float, Timestamp, Duration):
        if kind is Uint:
            return int64(value.value)
        if kind is Timestamp:
            return value.ns // NS
        if kind is Duration:
            return toward_zero(value.ns, NS)
        if -(2.0**63) < value < 2.0**63:
            return math.trunc(value)
    if to == "uint" and kind is int:
        return uint64(value)
    if to == "uint" and kind is float and 0 <= value < 2.0**64:
        return Uint(math.trunc(value))
    if to == "double" and kind in (int, Uint):
        return float(number(value))
    raise wrong()


def to_string(run, value):
    if isinstance(value, str):
        return value
    if isinstance(value, bytes):
        run.go(len(value))
        try:
            text = value.decode()
        except UnicodeDecodeError as error:
            raise wrong("bytes that are no UTF-8") from error
    else:
        writes = {
            bool: lambda: "true" if value else "false",
            int: lambda: str(value),
            Uint: lambda: str(value.value),
            float: lambda: text_of_double(value),
            Timestamp: lambda: text_of_timestamp(value),
            Duration: lambda: text_of_duration(value),
        }
        if type(value) not in writes:
            raise wrong()
        text = writes[type(value)]()
        run.step(units(text) // 2)
    run.make(16 + 2 * units(text))
    return text


# Times


def days_in(year, month):
    if month == 2:
        return 29 if year % 4 == 0 and (year % 100 != 0 or year % 400 == 0) else 28
    return 30 if month in (4, 6, 9, 11) else 31


def day_number(year, month, day):
    """Days since 1970-01-01."""
    before = year - 1
    leap_days = before // 4 - before // 100 + before // 400
    return before * 365 + leap_days + sum(days_in(year, each) for each in range(1, month)) + day - 1 - 719_162


def civil(days):
    """Year, month, day and day of the year, from 0, of days since 1970-01-01."""
    year = 1970 + days * 400 // 146_097
    while day_number(year, 1, 1) > days:
        year -= 1
    while day_number(year + 1, 1, 1) <= days:
        year += 1
    of_year = rest = days - day_number(year, 1, 1)
    month = 1
    while rest >= days_in(year, month):
        rest -= days_in(year, month)
        month += 1
    return year, month, rest + 1, of_year


def part_of(op, value, zone):
    part = op[4:]
    if isinstance(value, Duration) and zone is None:
        if part == "MILLISECONDS":
            return toward_zero(value.ns - toward_zero(value.ns, NS) * NS, 10**6)
        if part in ("HOURS", "MINUTES", "SECONDS"):
            return toward_zero(value.ns, {"HOURS": 3600, "MINUTES": 60, "SECONDS": 1}[part] * NS)
    if not isinstance(value, Timestamp):
        raise wrong()
    seconds, nanos = divmod(value.ns, NS)
    if zone is not None:
        starts = [int(start) for start in zone.get("starts", [])]
        seconds += zone.get("offsets", [0])[sum(start <= seconds for start in starts)]
    year, month, day, of_year = civil(seconds // 86_400)
    rest = seconds % 86_400
    return {
        "FULL_YEAR": year,
        "MONTH": month - 1,
        "DATE": day,
        "DAY_OF_MONTH": day - 1,
        "DAY_OF_WEEK": (seconds // 86_400 + 4) % 7,
        "DAY_OF_YEAR": of_year,
        "HOURS": rest // 3600,
        "MINUTES": rest % 3600 // 60,
        "SECONDS": rest % 60,
        "MILLISECONDS": nanos // 10**6,
    }[part]


# Patterns


def is_word(char):
    return char is not None and char.isascii() and (char.isalnum() or char == "_")


def matches(run, pattern, text):
    steps = pattern["instructions"]
    classes = [each.get("bounds", []) for each in pattern.get("classes", [])]
    start, anchored = pattern.get("start", 0), pattern.get("anchored", False)
    waiting, before, pending = set(), None, 0
    for place in range(len(text) + 1):
        here = text[place] if place < len(text) else None
        if place == 0 or not anchored:
            waiting.add(start)
        reached, ahead, stack, is_match = set(), set(), list(waiting), False
        while stack:
            each = stack.pop()
            if each in reached:
                continue
            reached.add(each)
            op, follows = steps[each]["op"][len("CONDITION_INSTRUCTION_OP_") :], steps[each].get("next", 0)
            other = steps[each].get("other", 0)
            if op == "MATCH":
                is_match = True
            elif op == "SPLIT":
                stack += [follows, other]
            elif op == "CHARACTER":
                bounds = classes[other]
                if here is not None and any(
                    low <= ord(here) <= high for low, high in zip(bounds[::2], bounds[1::2])
                ):
                    ahead.add(follows)
            elif {
                "BEGIN_TEXT": before is None,
                "END_TEXT": here is None,
                "BEGIN_LINE": before in (None, "\n"),
                "END_LINE": here in (None, "\n"),
                "WORD_BOUNDARY": is_word(before) != is_word(here),
                "NO_WORD_BOUNDARY": is_word(before) == is_word(here),
            }[op]:
                stack.append(follows)
        pending += 1 + len(reached)
        run.step(pending // 4)
        pending %= 4
        if is_match:
            return True
        if not ahead and anchored:
            return False
        waiting, before = ahead, here
    return False


# Programs


class Program:
    def __init__(self, message):
        if message["version"] != 1:
            raise ValueError("a program of another version")
        self.nodes = [(node["op"][len("CONDITION_OP_") :], node.get("args", []), node) for node in message["nodes"]]
        self.patterns = message.get("patterns", [])
        self.zones = message.get("zones", [])
        self.max_steps, self.max_bytes = message["maxSteps"], message["maxBytes"]
        # Constants, and lists and maps of them, are made once.
        self.constants = {}
        for at, (op, args, node) in enumerate(self.nodes):
            if op == "CONSTANT":
                self.constants[at] = constant(node)
            elif op in ("LIST", "MAP") and all(arg in self.constants for arg in args):
                values = [self.constants[arg] for arg in args]
                self.constants[at] = values if op == "LIST" else map_of(values)

    def run(self, context):
        """The answer, and the run with what it took. Failed has the run as `run`."""
        run = Run(self.max_steps, self.max_bytes)
        variables = {name: context.get(name) or "" for name in ("session_id", "user_id", "symbol", "system")}
        variables["attributes"] = from_json(context.get("attributes") or {})
        try:
            answer = self.value(len(self.nodes) - 1, run, variables)
            if not isinstance(answer, bool):
                raise wrong("neither true nor false")
            return answer, run
        except Failed as failed:
            failed.run = run
            raise

    def value(self, at, run, variables):
        run.step()
        if at in self.constants:
            return self.constants[at]
        op, args, node = self.nodes[at]
        if op == "VARIABLE":
            return variables[node["name"]]
        if op == "HAS_VARIABLE":
            found = variables[node["name"]]
            return len(found.members) > 0 if isinstance(found, Map) else found != ""
        if op == "LOCAL":
            return run.slots[node.get("index", 0)]
        if op in ("AND", "OR"):
            return self.quantified(op == "OR", ((lambda arg=arg: self.value(arg, run, variables)) for arg in args))
        if op == "CONDITIONAL":
            which = self.value(args[0], run, variables)
            if not isinstance(which, bool):
                raise wrong()
            return self.value(args[1 if which else 2], run, variables)
        if op in ("ALL", "EXISTS", "EXISTS_ONE", "FILTER", "TRANSFORM"):
            return self.macro(op, args, node.get("index", 0), run, variables)
        if op == "LIST":
            run.make(16 + 8 * len(args))
        elif op == "MAP":
            run.make(16 + 16 * len(args))
        values = [self.value(arg, run, variables) for arg in args]
        return self.operation(op, values, node, run)

    def operation(self, op, values, node, run):
        first, second = (values + [None, None])[:2]
        if op == "LIST":
            return values
        if op == "MAP":
            for key in values[::2]:
                if isinstance(key, str):
                    run.go(units(key))
            return map_of(values)
        if op in ("SELECT", "HAS"):
            if not isinstance(first, Map):
                raise wrong()
            found = first.members.get(("text", node.get("name", "")))
            if op == "HAS":
                return found is not None
            if found is None:
                raise wrong("no such member")
            return found[1]
        if op == "INDEX":
            return index(run, first, second)
        if op == "NOT":
            if isinstance(first, bool):
                return not first
            raise wrong()
        if op == "NEGATE":
            if type(first) in (int, float):
                return int64(-first) if type(first) is int else -first
            raise wrong()
        if op in ("ADD", "SUBTRACT", "MULTIPLY", "DIVIDE", "MODULO"):
            return arithmetic(run, op, first, second)
        if op in ("EQUAL", "NOT_EQUAL"):
            return equal(run, first, second) == (op == "EQUAL")
        if op in ("LESS", "LESS_OR_EQUAL", "GREATER", "GREATER_OR_EQUAL"):
            sign = order(run, first, second)
            return {"LESS": sign < 0, "LESS_OR_EQUAL": sign <= 0, "GREATER": sign > 0}.get(op, sign >= 0)
        if op == "IN":
            return is_in(run, first, second)
        if op == "SIZE":
            return size(run, first)
        if op in ("CONTAINS", "STARTS_WITH", "ENDS_WITH"):
            if not (isinstance(first, str) and isinstance(second, str)):
                raise wrong()
            if op == "CONTAINS":
                run.step((units(first) + units(second)) // 4)
                return second in first
            run.go(min(units(first), units(second)))
            return first.startswith(second) if op == "STARTS_WITH" else first.endswith(second)
        if op == "MATCHES":
            if isinstance(first, str):
                return matches(run, self.patterns[node.get("index", 0)], first)
            raise wrong()
        if op == "TYPE_OF":
            return Type(kind_of(first))
        if op.startswith("TO_"):
            return convert(run, op, first)
        zone = node.get("index", 0)
        return part_of(op, first, self.zones[zone - 1] if zone else None)

    def quantified(self, decisive, parts):
        """What decides does so wherever it stands; else the first failure does."""
        failed = None
        for part in parts:
            try:
                value = part()
                if not isinstance(value, bool):
                    raise wrong()
                if value == decisive:
                    return decisive
            except Failed as failure:
                if failure.kind != "VALUE":
                    raise
                failed = failed or failure
        if failed:
            raise failed
        return not decisive

    def macro(self, op, args, slot, run, variables):
        elements = elements_of(run, self.value(args[0], run, variables))

        def body(element, arg=args[1]):
            run.step()
            run.slots[slot] = element
            return self.value(arg, run, variables)

        if op in ("ALL", "EXISTS"):
            return self.quantified(op == "EXISTS", ((lambda each=each: body(each)) for each in elements))
        found = []
        if op != "EXISTS_ONE":
            run.make(16)
        for element in elements:
            value = body(element)
            if op != "TRANSFORM" or len(args) == 3:
                if not isinstance(value, bool):
                    raise wrong()
                if not value:
                    continue
                value = self.value(args[2], run, variables) if len(args) == 3 else element
            if op != "EXISTS_ONE":
                run.make(8)
            found.append(value)
        return len(found) == 1 if op == "EXISTS_ONE" else found


def elements_of(run, of):
    if isinstance(of, list):
        return of
    if not isinstance(of, Map):
        raise wrong()
    count = len(of.members)
    run.step(1 + count)
    keys = [key for key, _ in of.members.values()]
    if of.ordered:
        return keys
    run.step(count * count.bit_length() // 2)
    run.go(sum(map(units, keys)) * count.bit_length() * 2)
    return sorted(keys)


def size(run, value):
    if isinstance(value, str):
        run.step(units(value) // 4)
        return len(value)
    if isinstance(value, (list, bytes)):
        return len(value)
    if not isinstance(value, Map):
        raise wrong()
    run.step(1 + len(value.members))
    return len(value.members)


def map_of(values):
    made = Map(ordered=True)
    for key, value in zip(values[::2], values[1::2]):
        same = None if isinstance(key, float) else key_of(key)
        if same is None or same in made.members:
            raise wrong("a key that is none, or comes twice")
        made.members[same] = (key, value)
    return made


def constant(node):
    if "boolValue" in node:
        return node["boolValue"]
    if "intValue" in node:
        return int(node["intValue"])
    if "uintValue" in node:
        return Uint(int(node["uintValue"]))
    if "doubleValue" in node:
        return float(node["doubleValue"])
    if "stringValue" in node:
        return node["stringValue"]
    if "bytesValue" in node:
        return base64.b64decode(node["bytesValue"])
    if "typeValue" in node:
        return Type(node["typeValue"])
    if "timestampValue" in node:
        return read_timestamp(node["timestampValue"])
    if "durationValue" in node:
        return read_duration(node["durationValue"])
    return None
