"""An interpreter of the few pickle opcodes that state dicts use. It calls nothing that a stream names.

Python's own unpickler imports and calls whatever the bytes ask for, and allocates what they claim. Here a global
is a name that either stands in the caller's table, where one of our own functions stands in for it, or ends the
reading. Nothing is allocated that the stream does not itself carry: byte strings stay in the file.

Opcodes: Lib/pickletools.py of https://github.com/python/cpython at v3.11.7.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any, NoReturn

from convert.checkpoints.pickle_globals import Built, Global, Globals, Inert
from convert.errors import RefusedCheckpoint, shown
from convert.files import Stretch, held

PersistentLoader = Callable[[Any], Any]

KEY_TYPES = (str, int, float, bool, type(None))  # hashing one of these costs no more than its bytes
MAX_OPCODES = 250_000  # a training checkpoint of the largest ConvNeXt has 70,000; an empty list takes 64 bytes for one
LOOKED_AT = 16 * 1024  # bytes read at once; the opcodes between two tensors of a `.pdparams` are a few hundred
MAX_INT_BYTES = 16  # dimensions, seeds and torch's magic number fit; a longer integer is no part of a state dict


class _Mark:
    pass


_MARK = _Mark()


class PickleMachine:
    """Runs one stream of a file.

    Args:
        content: the bytes, in memory or in a file; parts of them, as yet unread, may live on in the result.
        allowed: every global that may be named, by (module, name).
        load_persistent: turns a persistent id into a value; without it such ids are refused.
    """

    def __init__(
        self,
        content: Stretch | memoryview,
        allowed: Globals,
        *,
        load_persistent: PersistentLoader | None = None,
    ) -> None:
        self.content = content if isinstance(content, Stretch) else held(content)
        self.size = content.nbytes
        self.allowed = allowed
        self.load_persistent = load_persistent
        self.position = 0
        self.opcode_at = 0
        self.stack: list[Any] = []
        self.memo: dict[int, Any] = {}
        self.bytes_made = 0  # by reducers
        self._window, self._window_at = memoryview(b""), 0  # what was read last, and where it begins

    def run(self, start: int = 0) -> Any:
        """The object that the stream at `start` describes; `position` is then the byte after it.

        Raises:
            RefusedCheckpoint: a global that is not allowed, an unknown opcode, or bytes that make no sense; the
                text has the name or the byte offset.
        """
        self.position = start
        self.stack, self.memo = [], {}
        for _ in range(MAX_OPCODES):
            self.opcode_at = self.position
            opcode = self._take(1)[0]
            if opcode == STOP:
                return self._finish()
            handler = _HANDLERS.get(opcode)
            if handler is None:
                self.refuse(f"opcode 0x{opcode:02x} has no place in a state dict")
            handler(self)
        return self.refuse(f"more than {MAX_OPCODES:,} opcodes, which no state dict needs")

    def refuse(self, reason: str) -> NoReturn:
        raise RefusedCheckpoint(f"{reason} (byte {self.opcode_at} of the pickle)")

    def _finish(self) -> Any:
        if len(self.stack) != 1 or self.stack[0] is _MARK:
            self.refuse("the stream ends with an unbalanced stack")
        return self.stack.pop()

    def _take(self, count: int) -> memoryview:
        if count > self.size - self.position:
            left = self.size - self.position
            self.refuse(f"the pickle is cut short: {count} bytes wanted, {left} left; fetch the file again")
        data = self._look(count)
        self.position += count
        return data

    def _look(self, count: int) -> memoryview:
        start = self.position - self._window_at
        if start < 0 or start + count > len(self._window):
            self._window = self.content.read(self.position, max(count, LOOKED_AT))
            self._window_at, start = self.position, 0
        return self._window[start : start + count]

    def _number(self, form: str) -> Any:
        return struct.unpack(form, self._take(struct.calcsize(form)))[0]

    def _line(self) -> str:
        line = bytes(self._look(min(256, self.size - self.position)))
        end = line.find(b"\n")
        if end < 0:
            self.refuse("a line without an end")
        self.position += end + 1
        return self._decode(line[:end])

    def _decode(self, raw: bytes | memoryview) -> str:
        try:
            return str(raw, "utf-8", "surrogatepass")
        except UnicodeDecodeError:
            self.refuse("text that is not UTF-8")

    def _pop(self) -> Any:
        if not self.stack or self.stack[-1] is _MARK:
            self.refuse("the stack is empty")
        return self.stack.pop()

    def _pop_to_mark(self) -> list[Any]:
        mark = len(self.stack) - 1
        while mark >= 0 and self.stack[mark] is not _MARK:
            mark -= 1
        if mark < 0:
            self.refuse("a mark is missing")
        items = self.stack[mark + 1 :]
        del self.stack[mark:]
        return items

    def _top(self, kind: type) -> Any:
        if not self.stack or not isinstance(self.stack[-1], kind):
            self.refuse(f"a {kind.__name__} is missing on the stack")
        return self.stack[-1]

    def _set_items(self, target: dict[Any, Any], items: list[Any]) -> None:
        if len(items) % 2:
            self.refuse("a key without a value")
        for key, value in zip(items[::2], items[1::2], strict=True):
            if not isinstance(key, KEY_TYPES):
                self.refuse(f"a dict key of type {_kind(key)}")
            target[key] = value

    def _push_tuple(self, count: int) -> None:
        items = [self._pop() for _ in range(count)]
        self.stack.append(tuple(reversed(items)))

    def _push_global(self, module: Any, name: Any) -> None:
        are_text = isinstance(module, str) and isinstance(name, str)  # a list, say, could not be looked up
        stand_in = self.allowed.get((module, name)) if are_text else None
        if stand_in is None:
            full_name = f"{_word(module)}.{_word(name)}"
            self.refuse(f"the file names {full_name}, which no state dict needs; it was not run")
        self.stack.append(stand_in)

    def _memoize(self, index: int) -> None:
        if not self.stack or self.stack[-1] is _MARK:
            self.refuse("nothing to remember")
        self.memo[index] = self.stack[-1]

    def _recall(self, index: int) -> None:
        if index not in self.memo:
            self.refuse(f"memo {index} was never set")
        self.stack.append(self.memo[index])

    # One method an opcode that does more than push a constant.

    def proto(self) -> None:
        version = self._take(1)[0]
        if version > 5:
            self.refuse(f"pickle protocol {version} is unknown")

    def frame(self) -> None:
        length = self._number("<Q")
        if length > self.size - self.position:
            self.refuse(f"the pickle is cut short: a frame of {length} bytes; fetch the file again")

    def unicode_(self, form: str) -> None:
        self.stack.append(self._decode(self._take(self._number(form))))

    def bytes_(self, form: str) -> None:
        count = self._number(form)
        if count > self.size - self.position:
            self._take(count)
        self.stack.append(self.content.part(self.position, count))
        self.position += count

    def long1(self) -> None:
        count = self._take(1)[0]
        if count > MAX_INT_BYTES:
            self.refuse(f"an integer of {count} bytes")
        self.stack.append(int.from_bytes(self._take(count), "little", signed=True))

    def tuple_(self) -> None:
        self.stack.append(tuple(self._pop_to_mark()))

    def append(self) -> None:
        item = self._pop()
        self._top(list).append(item)

    def appends(self) -> None:
        items = self._pop_to_mark()
        self._top(list).extend(items)

    def setitem(self) -> None:
        value, key = self._pop(), self._pop()
        self._set_items(self._top(dict), [key, value])

    def setitems(self) -> None:
        items = self._pop_to_mark()
        self._set_items(self._top(dict), items)

    def global_(self) -> None:
        module = self._line()
        self._push_global(module, self._line())

    def stack_global(self) -> None:
        name, module = self._pop(), self._pop()
        self._push_global(module, name)

    def reduce(self) -> None:
        arguments, function = self._pop(), self._pop()
        if not isinstance(arguments, tuple) or not isinstance(function, Global):
            self.refuse("a call of something that is no function")
        if function.reduce is None:
            self.refuse(f"a call of {function.module}.{function.name}, which no state dict calls")
        try:
            value = function.reduce(arguments)
        except (TypeError, ValueError) as error:
            self.refuse(f"{function.module}.{function.name} with arguments that it does not take: {error}")
        if isinstance(value, Stretch):  # remembered arguments can be used again and again
            self.bytes_made += value.nbytes
            if self.bytes_made > self.size:
                self.refuse(f"{function.module}.{function.name} makes more bytes than the file has")
        self.stack.append(value)

    def build(self) -> None:
        state, target = self._pop(), self._top(object)
        if isinstance(target, Built):
            try:
                target.set_state(state)
            except (TypeError, ValueError) as error:
                self.refuse(f"an object with a state that it does not take: {error}")
        elif not isinstance(target, (Inert, dict)):  # an OrderedDict's attributes (`_metadata`) carry no tensor
            self.refuse(f"a state for a {type(target).__name__}")

    def persistent(self) -> None:
        if self.load_persistent is None:
            self.refuse("a persistent id, which only PyTorch's files have")
        identifier = self._pop()
        try:
            self.stack.append(self.load_persistent(identifier))
        except (TypeError, ValueError) as error:
            self.refuse(f"a persistent id that names no storage: {error}")


def _word(name: Any) -> str:
    return shown(name) if isinstance(name, str) else f"<{_kind(name)}>"


def _kind(value: Any) -> str:
    return "memoryview" if isinstance(value, Stretch) else type(value).__name__


STOP = ord(".")

_Handler = Callable[[PickleMachine], None]
_HANDLERS: dict[int, _Handler] = {
    0x80: PickleMachine.proto,
    0x95: PickleMachine.frame,
    ord("("): lambda m: m.stack.append(_MARK),
    ord("N"): lambda m: m.stack.append(None),
    0x88: lambda m: m.stack.append(True),
    0x89: lambda m: m.stack.append(False),
    ord("J"): lambda m: m.stack.append(m._number("<i")),
    ord("K"): lambda m: m.stack.append(m._number("<B")),
    ord("M"): lambda m: m.stack.append(m._number("<H")),
    0x8A: PickleMachine.long1,
    ord("G"): lambda m: m.stack.append(m._number(">d")),
    ord("X"): lambda m: m.unicode_("<I"),
    0x8C: lambda m: m.unicode_("<B"),
    0x8D: lambda m: m.unicode_("<Q"),
    ord("B"): lambda m: m.bytes_("<I"),
    ord("C"): lambda m: m.bytes_("<B"),
    0x8E: lambda m: m.bytes_("<Q"),
    ord("}"): lambda m: m.stack.append({}),
    ord("]"): lambda m: m.stack.append([]),
    ord(")"): lambda m: m.stack.append(()),
    ord("t"): PickleMachine.tuple_,
    0x85: lambda m: m._push_tuple(1),
    0x86: lambda m: m._push_tuple(2),
    0x87: lambda m: m._push_tuple(3),
    ord("a"): PickleMachine.append,
    ord("e"): PickleMachine.appends,
    ord("s"): PickleMachine.setitem,
    ord("u"): PickleMachine.setitems,
    ord("h"): lambda m: m._recall(m._number("<B")),
    ord("j"): lambda m: m._recall(m._number("<I")),
    ord("q"): lambda m: m._memoize(m._number("<B")),
    ord("r"): lambda m: m._memoize(m._number("<I")),
    0x94: lambda m: m._memoize(len(m.memo)),
    ord("c"): PickleMachine.global_,
    0x93: PickleMachine.stack_global,
    ord("R"): PickleMachine.reduce,
    0x81: PickleMachine.reduce,  # NEWOBJ: the same stack, and here too only a stand-in of ours is called
    ord("b"): PickleMachine.build,
    ord("Q"): PickleMachine.persistent,
}
