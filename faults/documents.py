"""Configurations nobody should write, and some that anybody might: a seeded generator of both."""

import dataclasses
import json
import random
import re
import types
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from annotated_types import Ge, Gt, Le, Lt

from grokscope.config.schema import OneOf, RunConfig
from grokscope.metrics import METRICS

SMALL = """\
task: {kind: modular, p: 7}
model: {kind: mlp, width: 8}
optimizer: {kind: adamw}
"""
Must = Literal["refuse", "accept", "either"]


@dataclass(frozen=True)
class Sample:
    """A document with overrides and environment, and what must become of it.

    expected: for an accepted one, values by dotted path.
    """

    kind: str
    content: bytes
    must: Must = "either"
    overrides: tuple[str, ...] = ()
    environment: dict[str, str] = field(default_factory=dict)
    expected: dict[str, Any] = field(default_factory=dict)


class Raw(str):
    """Text that goes into a document as it is, where a value stands."""

    __slots__ = ()


Pairs = list[tuple[Any, Any]]
"""A section of a document as it is written: a key may occur twice."""

WORDS = """
~ null Null true True yes no on off y n .nan .NaN .inf -.inf +.INF 1e400 -1e400 0x1F 0o17 010 0b11
1_000 1:30 1:30:05 190:20:30 1e-8 1E3 .5 5. +1 -0 - -- --- ... ? : , @x `x %x = << *x &x &x&y ! !x
!!x !!str !!null !!bool !!int !!float !!set !!omap !!binary !!timestamp !!merge 2020-01-01
2020-13-45 2001-12-14t21:59:43.10-05:00 2001-12-14t21:59:43+99:00 | > |9 >+ '
"""
RAW = (
    *WORDS.split(),
    '!!int ""',
    '!!float ""',
    '!!int "_"',
    '!!int "-"',
    "!!int 0x",
    "!!int 1:30",
    "!!float 1:30.5",
    "!!float [1]",
    "!!bool maybe",
    '!!bool ""',
    "!!bool [true]",
    "!!null x",
    "!!map 3",
    "!!seq {}",
    "!!set [a]",
    "!!set {a, b}",
    "!!omap {a: 1}",
    "!!pairs [a]",
    "!!timestamp x",
    '!!binary "*"',
    "!!binary aGk=",
    "!!python/none",
    "!!python/name:os.system",
    "!!python/object:os.system {}",
    "!!python/object/new:os.system [true]",
    "!!python/object/apply:os.system ['true']",
    "!!python/object/apply:builtins.eval ['1']",
    "!<tag:yaml.org,2002:python/object/apply:os.system> [true]",
    '"\\ud800"',
    '"\\U00110000"',
    '"\\x"',
    '"\\0"',
    '"\\e[31m"',
    "[1, 2",
    "{a: 1",
    "]",
    "}",
    "&a [*a]",
    "{<<: 3}",
    "{<<: [1]}",
    "{? [1]: 2}",
    "{? {a: 1}: 2}",
    '{!!int "": 2}',
    "9" * 5000,
    "-" + "9" * 100,
    "0." + "0" * 400 + "1",
    "# remark",
    "a # remark",
    '"a" "b"',
    "'it''s'",
    "\t1",
)
STARTS = (
    "%YAML 1.1\n---\n",
    "%YAML 1.2\n---\n",
    "%YAML 9.9\n---\n",
    "%YAML 1.99999999999999999999\n---\n",
    "%YAML x\n---\n",
    "%YAML 1.2\n%YAML 1.2\n---\n",
    "%TAG ! tag:yaml.org,2002:python/\n---\n",
    "%TAG !! tag:x,2002:\n---\n",
    "%FOO bar\n---\n",
    "---\n",
    "...\n",
    "\ufeff",
    "<<: {seed: 3}\n",
    "<<: [{seed: 3}, {seed: 4}]\n",
    "<<: *nobody\n",
    "? !!set {a}\n: 3\n",
    "[a]: 3\n",
    "null: 3\n",
    ".nan: 3\n",
    "!!binary aGk=: 1\n",
    '"": 1\n',
    '"\\ud800": 1\n',
    '"\\0": 1\n',
    '"\\e[31mred": 1\n',
    "\u2028: 1\n",
    "\x85\n",
    "\x07",
)
LETTERS = (
    " \n\t:-?,[]{}#&*!|>'\"%@`~<=.0123456789eE+_abcXYZ\\/"
    "\u00e9\u4e2d\U0001f600\u2028\x85\x00\x1b\ufeff"
)


def samples(rng: random.Random, count: int) -> Iterator[Sample]:
    """Yield the fixed traps first, then generated samples, `count` in all."""
    kinds = list(MAKERS)
    weights = [weight for _, weight in MAKERS.values()]
    fixed = traps()
    yield from fixed[:count]
    for _ in range(count - len(fixed)):
        kind = rng.choices(kinds, weights)[0]
        yield MAKERS[kind][0](rng)


def value_of(rng: random.Random, annotation: Any) -> Any:
    """Return a plain value that a field of this annotation may have."""
    marks: tuple[Any, ...] = ()
    if get_origin(annotation) is Annotated:
        annotation, *rest = get_args(annotation)
        marks = tuple(rest)
    for mark in marks:
        if isinstance(mark, OneOf):
            return tree(rng, mark.registry[rng.choice(sorted(mark.registry))])
    origin = get_origin(annotation)
    if origin is Literal:
        return rng.choice(get_args(annotation))
    if origin is tuple:
        items = get_args(annotation)
        if items[-1] is Ellipsis:
            items = items[:1] * rng.choice([0, 1, 2, 2, 3])
        return [value_of(rng, item) for item in items]
    if origin in (Union, types.UnionType):
        return value_of(rng, rng.choice(get_args(annotation)))
    if dataclasses.is_dataclass(annotation):
        return tree(rng, annotation)
    if annotation is int:
        return whole(rng, marks)
    if annotation is float:
        return real(rng, marks)
    return {bool: rng.random() < 0.5, str: word(rng), type(None): None}[annotation]


def whole(rng: random.Random, marks: tuple[Any, ...]) -> int:
    """Return an integer within the bounds, most often a small one."""
    low, high = bounds(marks, 1, -(2**40), 2**40)
    near = min(high, max(low, 0) + 12)
    return rng.randint(int(low), int(near if rng.random() < 0.7 else high))


def real(rng: random.Random, marks: tuple[Any, ...]) -> float:
    """Return a number within the bounds, small exponents most often."""
    low, high = bounds(marks, 1e-12, -1e6, 1e6)
    if low >= 0 and rng.random() < 0.5:
        return min(high, max(low, 10 ** rng.uniform(-9, 2)))
    return rng.uniform(low, high)


def bounds(marks: tuple[Any, ...], apart: float, low: float, high: float) -> tuple[float, float]:
    """Return the least and the largest value the marks allow, `apart` from open ends."""
    for mark in marks:
        if isinstance(mark, Ge):
            low = float(mark.ge)  # type: ignore[arg-type]
        elif isinstance(mark, Gt):
            low = float(mark.gt) + apart  # type: ignore[arg-type]
        elif isinstance(mark, Le):
            high = float(mark.le)  # type: ignore[arg-type]
        elif isinstance(mark, Lt):
            high = min(high, float(mark.lt) - apart)  # type: ignore[arg-type]
    return low, high


def word(rng: random.Random) -> str:
    """Return a short text, now and then with odd characters."""
    letters = LETTERS if rng.random() < 0.2 else "abcdefgh -_0123"
    return "".join(rng.choices(letters, k=rng.randrange(9)))


def tree(rng: random.Random, cls: Any) -> Pairs:
    """Return a section for a configuration class with some of its fields."""
    hints = get_type_hints(cls, include_extras=True)
    pairs: Pairs = []
    for one in dataclasses.fields(cls):
        needed = one.default is dataclasses.MISSING and one.default_factory is dataclasses.MISSING
        if one.name == "kind":
            pairs.insert(0, ("kind", cls.kind))
        elif one.name == "metrics":
            pairs.append((one.name, rng.sample(sorted(METRICS), rng.randrange(3))))
        elif needed or rng.random() < 0.4:
            pairs.append((one.name, value_of(rng, hints[one.name])))
    return pairs


def written(value: Any, rng: random.Random, indent: int = 0) -> str:
    """Return a value as YAML: sections in block or flow style, at random."""
    if isinstance(value, Raw):
        return str(value)
    if isinstance(value, list) and value and all(isinstance(item, tuple) for item in value):
        if indent > 4 or rng.random() < 0.5:
            inside = ", ".join(f"{key(k)}: {written(v, rng, 9)}" for k, v in value)
            return f"{{{inside}}}"
        space = "  " * indent
        lines = [f"{space}{key(k)}: {written(v, rng, indent + 1)}" for k, v in value]
        return ("\n" if indent else "") + "\n".join(lines)
    if isinstance(value, list):
        return f"[{', '.join(written(item, rng, 9) for item in value)}]"
    return json.dumps(value, ensure_ascii=rng.random() < 0.5)


def key(name: Any) -> str:
    """Return a key as YAML, quoted where it must be."""
    text = str(name)
    return text if isinstance(name, Raw) or re.fullmatch(r"\w+", text) else json.dumps(text)


def encoded(text: str) -> bytes:
    """Return the text as a file holds it."""
    return text.encode("utf-8", "surrogatepass")


def valid(rng: random.Random) -> Sample:
    """Return a document of allowed values, which may still be at odds with one another."""
    return Sample("valid", encoded(written(tree(rng, RunConfig), rng) + "\n"))


def sections(pairs: Pairs) -> list[Pairs]:
    """Return a section and all inside it."""
    found = [pairs]
    for _, value in pairs:
        if isinstance(value, list) and value and isinstance(value[0], tuple):
            found += sections(value)
    return found


def junk(rng: random.Random, depth: int = 3) -> Any:
    """Return a value of any type, which is seldom the right one."""
    return rng.choice(
        [
            lambda: None,
            lambda: rng.random() < 0.5,
            lambda: rng.choice([0, -1, 2**31, 2**63, 2**64, -(2**63), 10**30, 10**400]),
            lambda: rng.choice([0.0, -0.0, 0.5, -1.5, 1e-320, 1e308, 1.0, 3.0]),
            lambda: word(rng),
            lambda: Raw(rng.choice(RAW)),
            lambda: Raw(rng.choice(RAW)),
            lambda: [junk(rng, depth - 1) for _ in range(rng.randrange(3))] if depth else [],
            lambda: [("a", junk(rng, depth - 1))] if depth else [],
            lambda: Raw("[" * (n := rng.randrange(1, 40)) + "]" * n),
        ]
    )()


def mutated(rng: random.Random) -> Sample:
    """Return a document in which something is wrong, or seems so."""
    whole = tree(rng, RunConfig)
    must: Must = "either"
    for _ in range(rng.choice([1, 1, 1, 2, 3])):
        here = rng.choice(sections(whole))
        how = rng.choice(["value", "value", "value", "unknown", "twice", "missing", "odd key"])
        place = rng.randrange(len(here))
        name, value = here[place]
        if how == "value":
            here[place] = (name, junk(rng))
        elif how == "unknown":
            here.insert(place, (f"{name}{rng.choice('xyz')}", value))
            must = "refuse"
        elif how == "twice":
            here.insert(rng.randrange(len(here)), (name, value))
            must = "refuse"
        elif how == "missing" and len(here) > 1:
            del here[place]
        elif how == "odd key":
            here.insert(place, (rng.choice([word(rng), Raw(rng.choice(RAW)), 3, None]), 1))
    text = written(whole, rng) + "\n"
    if rng.random() < 0.1:
        text = rng.choice(STARTS) + text
    # A later change may have hidden an earlier one, by replacing the section it stood in.
    return Sample("mutated", encoded(text), must if must != "refuse" or _odd(whole) else "either")


def _odd(pairs: Pairs) -> bool:
    """Return whether some key occurs twice, or is a known one with x, y or z behind it."""
    for here in sections(pairs):
        names = [str(name) for name, _ in here]
        if len(set(names)) < len(names):
            return True
        if any(name[-1:] in "xyz" and name[:-1] in names for name in names if len(name) > 2):
            return True
    return False


def unknown(rng: random.Random) -> Sample:
    """Return a valid small document with one unknown key at the top."""
    name = "".join(rng.choices("abcdefgh", k=5))
    return Sample("unknown key", encoded(f"{SMALL}{name}: 1\n"), "refuse")


def doubled(rng: random.Random) -> Sample:
    """Return a valid small document with one key twice."""
    line = rng.choice(["seed: 1\nsteps: 2\nseed: 3\n", "batch: {size: 2, size: 2}\n", SMALL])
    return Sample("duplicate key", encoded(SMALL + line), "refuse")


def text(rng: random.Random) -> Sample:
    """Return YAML's own characters in any order."""
    letters = rng.choice([LETTERS, " \n:-[]{},a1", " \n:-?!&*|>'\"%a", "\n  - a: b"])
    body = "".join(rng.choices(letters, k=rng.randrange(200)))
    return Sample("text", encoded(rng.choice(["", "", SMALL, *STARTS]) + body))


def binary(rng: random.Random) -> Sample:
    """Return bytes of any value, or the small document in another encoding."""
    if rng.random() < 0.3:
        return Sample("bytes", SMALL.encode(rng.choice(["utf-16", "utf-32", "utf-7", "cp500"])))
    return Sample("bytes", rng.choice([b"", SMALL.encode()]) + rng.randbytes(rng.randrange(400)))


def spliced(rng: random.Random) -> Sample:
    """Return a shipped manner of writing with some characters lost, doubled or replaced."""
    letters = list(written(tree(rng, RunConfig), rng))
    for _ in range(rng.randrange(1, 6)):
        place = rng.randrange(len(letters))
        letters[place] = rng.choice(["", letters[place] * 2, rng.choice(LETTERS)])
    return Sample("spliced", encoded("".join(letters)))


def overridden(rng: random.Random) -> Sample:
    """Return the small document with overrides of any kind."""
    paths = ["seed", "steps", "task.p", "model", "model.kind", "optimizer.lr", "penalties", "batch"]
    paths += ["penalties.0.weight", "tags.0", "task.p.q", "", ".", "..", "a..b", "x", "task.", ".p"]
    paths += [
        "optimizer.betas.1",
        "optimizer.betas.9",
        "optimizer.betas.x",
        "tags.99999999999",
        " ",
    ]
    paths += ["model.init.scale", "\x1b", "a\nb", "\u0663", "tags.\u0663", "kind", "name", "notes"]
    given = []
    for _ in range(rng.randrange(1, 4)):
        value = rng.choice([rng.choice(RAW), written(junk(rng), rng, 9), word(rng), "3", "[1, 2]"])
        given.append(rng.choice(["{}={}", "{}={}", "{}={}", "{} = {}", "{}", "{}=={}"]))
        given[-1] = given[-1].format(rng.choice(paths), value)
    return Sample("overrides", SMALL.encode(), overrides=tuple(given))


def surrounded(rng: random.Random) -> Sample:
    """Return the small document under odd environment variables."""
    names = ["SEED", "OPTIMIZER__LR", "TASK__P", "X", "", "__", "A__", "TAGS__0", "MODEL__KIND"]
    value = rng.choice([rng.choice(RAW), word(rng), "3"]).replace("\0", "")
    given = {f"GROKSCOPE_{rng.choice(names)}": value}
    return Sample("environment", SMALL.encode(), environment=given)


def nested(rng: random.Random) -> Sample:
    """Return a document of 33 to 10,000 levels."""
    depth = int(33 * 10 ** rng.uniform(0, 2.48))
    opener = rng.choice(["[", "{a: ", "- ", "? ", "[a, ", "{", "!!seq [", "&a [", '["', "[\n"])
    start = rng.choice(["", "notes: ", SMALL + "tags: "])
    return Sample("nested", encoded(start + opener * depth), "refuse")


def aliased(rng: random.Random) -> Sample:
    """Return an alias bomb, or more aliases than any configuration needs."""
    fan, levels = rng.randrange(1, 10), rng.randrange(4, 60)
    levels = max(levels, -(-34 // fan) + 1)
    bomb = "a0: &a0 [x]\n"
    for level in range(1, levels):
        bomb += f"a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * fan)}]\n"
    return Sample("aliases", encoded(bomb), "refuse")


def large(rng: random.Random) -> Sample:
    """Return up to a hundred thousand bytes of something that is one character otherwise."""
    size = int(10 ** rng.uniform(3, 5))
    bodies: list[Callable[[], str]] = [
        lambda: f"notes: {'x' * size}\n",
        lambda: f"notes: {'x ' * (size // 2)}\n",
        lambda: "notes: '" + "\n" * size + "'\n",
        lambda: f"# {'x' * size}\n",
        lambda: "\n" * size,
        lambda: f"seed: {'9' * size}\n",
        lambda: f"optimizer.lr: 0.{'0' * size}1\n",
        lambda: f"tags: [{'ab, ' * (size // 4)}]\n",
        lambda: f"tags: [{'1, ' * (size // 3)}]\n",
        lambda: f"checkpoint: {{early: [{'3, ' * (size // 3)}3]}}\n",
        lambda: "".join(f"k{number}: 1\n" for number in range(size // 8)),
        lambda: "tags:\n" + "- a\n" * (size // 4),
        lambda: f"penalties: [{'{kind: l2}, ' * (size // 12)}]\n",
        lambda: f"x{'y' * size}: 1\n",
        lambda: f"? {'y' * size}\n: 1\n",
        lambda: "--- 1\n" * (size // 6),
        lambda: f"tags: {'!' * size}\n",
        lambda: 'notes: "' + r"\x41" * (size // 4) + '"\n',
    ]
    return Sample("large", encoded(SMALL + rng.choice(bodies)()))


MAKERS: dict[str, tuple[Callable[[random.Random], Sample], float]] = {
    "valid": (valid, 15),
    "mutated": (mutated, 45),
    "unknown key": (unknown, 2),
    "duplicate key": (doubled, 2),
    "text": (text, 10),
    "bytes": (binary, 4),
    "spliced": (spliced, 8),
    "overrides": (overridden, 8),
    "environment": (surrounded, 2),
    "nested": (nested, 1.5),
    "aliases": (aliased, 1.5),
    "large": (large, 1),
}


def traps() -> list[Sample]:
    """Return documents that a careless reader takes for something else."""
    accepted = [
        ("optimizer: {kind: adamw, lr: 1e-8}", {"optimizer.lr": 1e-8}),
        ("optimizer: {kind: adamw, lr: 1E-3}", {"optimizer.lr": 1e-3}),
        ("optimizer: {kind: adamw, lr: .5}", {"optimizer.lr": 0.5}),
        ("seed: 010", {"seed": 10}),
        ("seed: 0o10", {"seed": 8}),
        ("seed: 0x10", {"seed": 16}),
        ("notes: 1:30", {"notes": "1:30"}),
        *[(f"notes: {w}", {"notes": w}) for w in ("no", "yes", "on", "off", "y", "n", "No", "OFF")],
        ('notes: "\\u2028"', {"notes": "\u2028"}),
        ("notes: &a x\ntags: [*a, *a]", {"notes": "x", "tags": ("x", "x")}),
        ("<<: {seed: 3}", {"seed": 3}),
        ("seed: 4\n<<: {seed: 3}", {"seed": 4}),
    ]
    refused = [
        *[f"steps: {text}" for text in ("1:30", "ten", '"10"', "10.0", "true", "1e1", "~", "[1]")],
        *[f"steps: {text}" for text in ("0", "-1", ".inf", ".nan", "9" * 5000, "!!int ''")],
        *[f"model: {{kind: mlp, biases: {w}}}" for w in ("no", "off", "yes", "n", "0", "''")],
        *[f"optimizer: {{kind: adamw, lr: {w}}}" for w in (".inf", ".nan", "1e400", "1:30", "0")],
        "seed: 1\nseed: 1",
        "data: {train_fraction: .5, train_fraction: .5}",
        "notes: !!python/object/apply:os.system ['true']",
        "notes: !!python/name:os.system",
        "notes: *nobody",
        "seed: 1\n---\nseed: 2",
        "seed: &x 3\ncheckpoint: {early: [" + "*x, " * 40 + "]}",
    ]
    found = [Sample("trap", b"", "refuse"), Sample("trap", b"# nothing\n", "refuse")]
    for text, expected in accepted:
        found.append(Sample("trap", encoded(_merged(text)), "accept", expected=expected))
    found += [Sample("trap", encoded(_merged(text)), "refuse") for text in refused]
    old = "%YAML 1.1\n---\n" + _merged("model: {kind: mlp, biases: no}")
    return [*found, Sample("trap", encoded(old), "refuse")]


def _merged(text: str) -> str:
    """Return the small document with a line of it replaced, or with another line."""
    name = text.partition(":")[0]
    lines = [line for line in SMALL.splitlines() if not line.startswith(f"{name}:")]
    return "\n".join([*lines, text, ""])
