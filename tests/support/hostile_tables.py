"""Tables that are none: each with what its message says. Siblings of these are tried by whoever reads a table."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Change = Callable[[dict[str, Any]], object]

TEXT = """\
format = "paddleferry table 1"
name = "tiny"
[torch]
model = "timm:tiny"
[paddle]
model = "package.nets:Tiny"
"""
ROW = '"a.weight" = { shape = [2, 3] }\n'
TENSORS = f"[tensors]\n{ROW}"
GOOD = TEXT + TENSORS


def with_row(fields: str, name: str = '"x"') -> str:
    """The table with one more tensor of those fields."""
    return f"{GOOD}{name} = {{ {fields} }}\n"


def with_proof(**changes: str) -> str:
    """The table with a proof, some of whose fields are others; "" leaves one out."""
    fields = {
        "seed": "0",
        "size": "[8, 8]",
        "in_chans": "3",
        "max_rel": "1e-14",
        "eps_as_float32": "false",
        "versions": '{ torch = "2.14" }',
        "date": '"2026-11-25"',
    }
    lines = "".join(f"{name} = {value}\n" for name, value in {**fields, **changes}.items() if value)
    return f"{TEXT}[proof]\n{lines}{TENSORS}"


# A case's text of TOML, and a part of the message.
HOSTILE: dict[str, tuple[str, str]] = {
    # what a parser would have to bear
    "deep lists": (f"{GOOD}x = {'[' * 100_000}", "brackets in one another more than 12 deep"),
    "deep lists, closed": (f"{GOOD}x = {'[' * 5000}{']' * 5000}", "brackets in one another"),
    "deep sections": (f"{GOOD}x = {'{a=' * 50_000}1{'}' * 50_000}", "brackets in one another"),
    "a key of many words": (f"{TEXT}{'a.' * 500_000}b = 1", "more than 8 words parted by dots"),
    "a key of many quoted words": (TEXT + '"a" . ' * 100_000 + "b = 1", "more than 8 words parted by dots"),
    "a section of many words": (f"{TEXT}[{'a.' * 500_000}b]", "more than 8 words parted by dots"),
    "many lines of long keys": (TEXT + ("a." * 50 + "b = 1\n") * 9000, "more than 8 words parted by dots"),
    "text of several lines": (TEXT + 'why = """a\n[[["""', "has text of several lines"),
    "text without an end": (TEXT + 'why = "' + "x" * 1_000_000, "is no TOML"),
    "quotes without an end": (TEXT + '"\\' * 500_000, "is no TOML"),
    "brackets in text": (with_row(f'shape = [1], paddle = "{500 * "["}"') + "y = 1", "has to be a section"),
    "a large file": (GOOD + "#" * (5 << 20), "is larger than 4 MiB"),
    "many tensors": (GOOD + "".join(f"t{n}={{shape=[1]}}\n" for n in range(50_001)), "at most 50,000 are read"),
    "many rules": (
        TEXT + "[rules]\n" + "".join(f'"a{n}.{{i}}" = "b.{{i}}"\n' for n in range(101)) + TENSORS,
        "at most 100 are read",
    ),
    "a number of many digits": (with_row(f"shape = [{'9' * 5000}]"), "is no TOML"),
    "a number of many digits that is read": (with_row(f"shape = [{'9' * 4000}]"), "a number of many digits"),
    "a long name": (with_row("shape = [1]", f'"{"x" * 2000}"'), "has a name that is not one line of text"),
    # what is no table
    "nothing": ("", "it has no format"),
    "another format": (GOOD.replace("table 1", "table 2"), "its format is 'paddleferry table 2'"),
    "a format of another kind": (GOOD.replace('"paddleferry table 1"', "[1]"), "its format is [1]"),
    "no TOML": ("<html>", "is no TOML"),
    "a bare word": (f"{TEXT}x = nothing", "is no TOML"),
    "a NUL": (f"{TEXT}\0", "is no TOML"),
    "no name": (GOOD.replace('name = "tiny"\n', ""), "the table has no name"),
    "an empty name": (GOOD.replace('"tiny"\n[', '""\n['), "the table has name = ''"),
    "no models": (f'format = "paddleferry table 1"\nname = "x"\n{TENSORS}', "the table has no torch"),
    "a model of another kind": (GOOD.replace('"timm:tiny"', "5"), "[torch] has model = 5"),
    "a model without a module": (GOOD.replace("timm:tiny", "tiny"), "[torch] has model = 'tiny'"),
    "a setup without a module": (GOOD.replace("[paddle]", 'setup = "x"\n[paddle]'), "[torch] has setup = 'x'"),
    "an argument that is no name": (
        GOOD.replace("[paddle]", 'arguments = { "a b" = 1 }\n[paddle]'),
        "argument 'a b', which is no name of Python's",
    ),
    "an argument of a date": (GOOD.replace("[paddle]", "arguments = { a = 2026-01-01 }\n[paddle]"), "an argument 'a'"),
    "an argument that is no number": (GOOD.replace("[paddle]", "arguments = { a = nan }\n[paddle]"), "'a' = nan"),
    "an unknown section": (f"{GOOD}[tensor]\n", "unknown field 'tensor'; did you mean tensors"),
    "no tensors": (TEXT, "the table has no tensors"),
    "an empty section of tensors": (f"{TEXT}[tensors]\n", "there is nothing to convert"),
    "tensors of another kind": (TEXT.replace("[torch]", "tensors = 3\n[torch]"), "the table has tensors = 3"),
    # tensors
    "a tensor of another kind": (f"{GOOD}x = 3\n", "tensor 'x' has to be a section of names and values, and is 3"),
    "no shape": (with_row('paddle = "x"'), "tensor 'x' has no shape"),
    "a shape of text": (with_row('shape = "[1]"'), "tensor 'x' has shape = '[1]'"),
    "a shape with a truth": (with_row("shape = [true]"), "tensor 'x' has shape = [true]"),
    "a shape with a fraction": (with_row("shape = [1.0]"), "tensor 'x' has shape = [1.0]"),
    "a shape below 0": (with_row("shape = [-1]"), "tensor 'x' has shape = [-1]"),
    "a shape that is huge": (with_row("shape = [1099511627776]"), "tensor 'x' has shape"),
    "a shape whose product is huge": (with_row("shape = [1000000, 1000000, 1000000]"), "tensor 'x' has shape"),
    "a shape of many axes": (with_row("shape = [1, 1, 1, 1, 1, 1, 1, 1, 1]"), "tensor 'x' has shape"),
    "an unknown layout": (with_row('shape = [1, 2], layout = "turn"'), "tensor 'x' has layout = 'turn'"),
    "a layout in a list": (with_row('shape = [1, 2], layout = ["copy"]'), "tensor 'x' has layout = ['copy']"),
    "a layout of two axes": (with_row('shape = [3], layout = "transpose"'), "which is for a shape (out, in)"),
    "a layout of four axes": (with_row('shape = [3, 2, 3, 3], layout = "squeeze"'), "for a shape (out, in, 1, 1)"),
    "an unknown dtype": (with_row('shape = [3], dtype = "int65"'), "tensor 'x' has dtype 'int65'"),
    "a dtype of floats": (with_row('shape = [3], dtype = "float64"'), "leave it out for floating-point numbers"),
    "an unknown field": (with_row("shape = [3], shapes = [3]"), "unknown field 'shapes'; did you mean shape"),
    "two to one name": (with_row('shape = [3], paddle = "a.weight"'), "has Paddle's name 'a.weight', as 'a.weight'"),
    "one name twice": (f"{GOOD}{ROW}", "is no TOML: Cannot overwrite a value"),
    "an empty name in Paddle": (with_row('shape = [3], paddle = ""'), "tensor 'x' has paddle = ''"),
    "a name with a control character": (with_row("shape = [3]", '"x\\u001b[2J"'), r"'x\x1b[2J' has a name"),
    "a name that turns the line": (with_row("shape = [3]", '"x\\u202e"'), r"tensor 'x\u202e' has a name"),
    "a name with the end of a line": (with_row('shape = [3], paddle = "x\\ny"'), r"has paddle = 'x\ny'"),
    # left out
    "left out for no reason": (with_row('shape = [], dtype = "int64", left_out = ""'), "has left_out = ''"),
    "left out without a dtype": (with_row('shape = [], left_out = "x"'), "has no dtype"),
    "left out of an unknown dtype": (with_row('shape = [], dtype = "object", left_out = "x"'), "has dtype 'object'"),
    "a value that does not fit": (
        with_row('shape = [], dtype = "int8", value = 128, left_out = "x"'),
        "has value 128, which int8 cannot hold",
    ),
    "a value for a bfloat16": (
        with_row('shape = [], dtype = "bfloat16", value = 1, left_out = "x"'),
        "cannot be made of dtype bfloat16",
    ),
    "a huge tensor to be made": (
        with_row('shape = [1000000, 1000], dtype = "int64", value = 0, left_out = "x"'),
        "is too large to be made anew",
    ),
    "a value of a carried tensor": (with_row("shape = [3], value = 0"), "unknown field 'value'"),
    "left out of Paddle, and carried": (
        f'{GOOD}[paddle_left_out]\n"a.weight" = {{ shape = [1], why = "x" }}\n',
        "is left out of Paddle's, and 'a.weight' has its name",
    ),
    "left out of Paddle without a reason": (f"{GOOD}[paddle_left_out]\nx = {{ shape = [1] }}\n", "has no why"),
    # rules
    "a rule that is a number": (f'{TEXT}[rules]\n"a.{{i}}" = 3\n{TENSORS}', "a template of two names"),
    "a rule without a place": (f'{TEXT}[rules]\n"a" = "b"\n{TENSORS}', "has no place"),
    "a rule of an unknown place": (f'{TEXT}[rules]\n"a.{{x}}" = "b.{{x}}"\n{TENSORS}', "a place that is none of"),
    "a rule that asks for an attribute": (
        f'{TEXT}[rules]\n"a.{{i}}" = "{{i.__class__}}"\n{TENSORS}',
        "a place that is none of",
    ),
    "a rule that formats": (f'{TEXT}[rules]\n"a.{{i}}" = "{{i:>9999999}}"\n{TENSORS}', "a place that is none of"),
    "a rule without a name of its place": (f'{TEXT}[rules]\n"a.{{}}" = "b.{{}}"\n{TENSORS}', "a place that is none of"),
    "a rule with half a place": (f'{TEXT}[rules]\n"a.{{i" = "b.{{i"\n{TENSORS}', "a place that is none of"),
    "a rule with one place twice": (
        f'{TEXT}[rules]\n"a.{{i}}.{{i}}" = "b.{{i}}"\n{TENSORS}',
        "has one place twice",
    ),
    "a rule with other places": (f'{TEXT}[rules]\n"a.{{i}}" = "b.{{j}}"\n{TENSORS}', "has other places"),
    # the proof
    "a proof of nothing": (f"{TEXT}[proof]\n{TENSORS}", "[proof] has no seed"),
    "a proof of another kind": (TEXT.replace("[torch]", "proof = 3\n[torch]") + TENSORS, "the table has proof = 3"),
    "a seed below 0": (with_proof(seed="-1"), "[proof] has seed = -1"),
    "a size of one side": (with_proof(size="[8]"), "[proof] has size = [8]"),
    "a limit that is no number": (with_proof(max_rel="nan"), "[proof] has max_rel = nan"),
    "an infinite limit": (with_proof(max_rel="inf"), "[proof] has max_rel = inf"),
    "a limit that is true": (with_proof(max_rel="true"), "[proof] has max_rel = true"),
    "a truth that is text": (with_proof(eps_as_float32='"no"'), "[proof] has eps_as_float32 = 'no'"),
    "a version that is a number": (with_proof(versions="{ torch = 2.14 }"), "'torch' = 2.14 among versions"),
    "a date that is none": (with_proof(date='"today"'), "[proof] has date = 'today'"),
    "a date of TOML's": (with_proof(date="2026-11-25"), "[proof] has date = "),
}
