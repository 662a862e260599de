"""An interpreter of the few pickle opcodes that state dicts use. It calls nothing that a stream names.

Python's own unpickler imports and calls whatever the bytes ask for, and allocates what they claim. Here a global
is a name that either stands in the caller's table, where one of our own functions stands in for it, or ends the
reading. Nothing is allocated that the stream does not itself carry: byte strings stay in the file.

Opcodes: Lib/pickletools.py of https://github.com/python/cpython at v3.11.7.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from convert.checkpoints.pickle_globals import (
    METHODS_OF_ORDERED_DICT,
    Built,
    Global,
    Globals,
    Inert,
    OrderedDict,
    check_attributes,
    kind_of,
    naming,
)
from convert.checkpoints.pickle_keys import Keys
from convert.checkpoints.pickle_stream import MAX_LINE, PickleStream
from convert.errors import shown
from convert.files import Stretch

PersistentLoader = Callable[[Any], Any]

MAX_OPCODES = 250_000  # a training checkpoint of the largest ConvNeXt has 70,000; an empty list takes 64 bytes for one
MAX_INT_BYTES = 16  # dimensions, seeds and torch's magic number fit; a longer integer is no part of a state dict
MAX_ARGUMENTS = 16  # of a call of ours; the longest has eight
PYTHON_2 = "__builtin__"  # a module that Python 3 knows in pickles of protocol 2 and below alone


_MARK = object()


class PickleMachine(PickleStream):
    """Runs one stream of a file.

    Args:
        content: the bytes, in memory or in a file; parts of them, as yet unread, may live on in the result.
        allowed: every global that may be named, by (module, name).
        load_persistent: turns a persistent id into a value; without it such ids are refused.
    """

    handlers: ClassVar[Mapping[int, Callable[[Any], None]]]
    odd_keys = False  # whether keys may stand in a dict that no state dict has

    def __init__(
        self,
        content: Stretch | memoryview,
        allowed: Globals,
        *,
        load_persistent: PersistentLoader | None = None,
    ) -> None:
        super().__init__(content)
        self.allowed = allowed
        self.load_persistent = load_persistent
        self.stack: list[Any] = []
        self.memo: dict[int, Any] = {}
        self.protocol = 0
        self.keys = Keys(odd=self.odd_keys)
        self.bytes_made = 0  # by reducers

    def run(self, start: int = 0) -> Any:
        """The object that the stream at `start` describes; `position` is then the byte after it.

        Raises:
            RefusedCheckpoint: a global that is not allowed, an unknown opcode, or bytes that make no sense; the
                text has the name or the byte offset.
        """
        self.position = start
        self.stack, self.memo, self.protocol = [], {}, 0
        for _ in range(MAX_OPCODES):
            self.opcode_at = self.position
            opcode = self.take(1)[0]
            if opcode == STOP:
                return self._finish()
            handler = self.handlers.get(opcode)
            if handler is None:
                self.refuse(f"opcode 0x{opcode:02x} has no place in a state dict")
            handler(self)
        return self.refuse(f"more than {MAX_OPCODES:,} opcodes, which no state dict needs")

    def unfit(self, reason: str) -> Any:
        """What stands for a value that could not be made of what the stream has."""
        self.refuse(reason)

    def unknown(self, module: str, name: str) -> Any:
        """What stands for a global that is not in the table."""
        self.refuse(naming(module, name))

    def _finish(self) -> Any:
        if len(self.stack) != 1 or self.stack[0] is _MARK:
            self.refuse("the stream ends with an unbalanced stack")
        return self.stack.pop()

    def pop(self) -> Any:
        if not self.stack or self.stack[-1] is _MARK:
            self.refuse("the stack is empty")
        return self.stack.pop()

    def pop_to_mark(self) -> list[Any]:
        mark = len(self.stack) - 1
        while mark >= 0 and self.stack[mark] is not _MARK:
            mark -= 1
        if mark < 0:
            self.refuse("a mark is missing")
        items = self.stack[mark + 1 :]
        del self.stack[mark:]
        return items

    def top(self, *kinds: type) -> Any:
        if not self.stack or not isinstance(self.stack[-1], kinds) or self.stack[-1] is _MARK:
            self.refuse(f"a {kinds[0].__name__} is missing on the stack")
        return self.stack[-1]

    def set_items(self, target: Any, items: list[Any]) -> None:
        if len(items) % 2:
            self.refuse("a key without a value")
        for key, value in zip(items[::2], items[1::2], strict=True):
            try:
                stored = self.keys.checked(key)
            except ValueError as error:
                self.refuse(str(error))
            if stored in target:
                self.refuse(f"a dict with the key {shown(repr(stored))} twice")
            target[stored] = value

    def _push_tuple(self, count: int) -> None:
        items = [self.pop() for _ in range(count)]
        self.stack.append(tuple(reversed(items)))

    def find_global(self, module: Any, name: Any) -> Any:
        """What stands for the global of that name."""
        are_text = isinstance(module, str) and isinstance(name, str)  # a list, say, could not be looked up
        if not are_text or max(len(module), len(name)) > MAX_LINE:
            self.refuse(naming(module, name))
        stand_in = self.allowed.get((module, name))
        if stand_in is None or (module == PYTHON_2 and self.protocol > 2):
            return self.unknown(module, name)
        return stand_in

    def _memoize(self, index: int) -> None:
        if not self.stack or self.stack[-1] is _MARK:
            self.refuse("nothing to remember")
        if index >= MAX_OPCODES:  # whoever writes a pickle counts them
            self.refuse(f"memo {index} of a stream of at most {MAX_OPCODES:,} opcodes")
        self.memo[index] = self.stack[-1]

    def _recall(self, index: int) -> None:
        if index not in self.memo:
            self.refuse(f"memo {index} was never set")
        self.stack.append(self.memo[index])

    def call(self, function: Any, arguments: Any) -> Any:
        """What a call of a global makes; only a function of ours is called."""
        if not isinstance(arguments, tuple) or not isinstance(function, Global):
            self.refuse("a call of something that is no function")
        if function.reduce is None:
            self.refuse(f"a call of {function.full_name}, which no state dict calls")
        try:
            if len(arguments) > MAX_ARGUMENTS:
                raise ValueError(f"{len(arguments):,} arguments")
            value = function.reduce(arguments)
        except (TypeError, ValueError) as error:
            return self.unfit(f"{function.full_name} with arguments that it does not take: {error}")
        if isinstance(value, Stretch):  # remembered arguments can be used again and again
            self.bytes_made += value.nbytes
            if self.bytes_made > self.size:
                self.refuse(f"{function.full_name} makes more bytes than the file has")
        return value

    # One method an opcode that does more than push a constant.

    def proto(self) -> None:
        self.protocol = self.take(1)[0]
        if self.protocol > 5:
            self.refuse(f"pickle protocol {self.protocol} is unknown")

    def frame(self) -> None:
        length = self.number("<Q")
        if length > self.size - self.position:
            self.refuse(f"the pickle is cut short: a frame of {length} bytes; fetch the file again")

    def long1(self) -> None:
        count = self.take(1)[0]
        if count > MAX_INT_BYTES:
            self.refuse(f"an integer of {count} bytes")
        self.stack.append(int.from_bytes(self.take(count), "little", signed=True))

    def append(self) -> None:
        item = self.pop()
        self.top(list).append(item)

    def appends(self) -> None:
        items = self.pop_to_mark()
        self.top(list).extend(items)

    def setitem(self) -> None:
        value, key = self.pop(), self.pop()
        self.set_items(self.top(dict), [key, value])

    def setitems(self) -> None:
        items = self.pop_to_mark()
        self.set_items(self.top(dict), items)

    def global_(self) -> None:
        module = self.line()
        self.stack.append(self.find_global(module, self.line()))

    def stack_global(self) -> None:
        name, module = self.pop(), self.pop()
        self.stack.append(self.find_global(module, name))

    def reduce(self) -> None:
        arguments, function = self.pop(), self.pop()
        self.stack.append(self.call(function, arguments))

    def newobj(self) -> None:
        arguments, function = self.pop(), self.pop()
        if isinstance(function, Global) and function.reduce and not function.is_class:
            self.refuse(f"a new object of {function.full_name}, which is no class")
        self.stack.append(self.call(function, arguments))

    def build(self) -> None:
        state, target = self.pop(), self.top(object)
        if not isinstance(target, Built | OrderedDict | Inert):
            self.refuse(f"a state for a {kind_of(target)}")
        try:
            if isinstance(target, Built):
                target.set_state(state)
            elif isinstance(target, OrderedDict):  # its attributes (`_metadata`) carry no tensor
                check_attributes(state, METHODS_OF_ORDERED_DICT)
        except (TypeError, ValueError) as error:
            reason = f"an object with a state that it does not take: {error}"
            if not isinstance(target, Built):
                self.refuse(reason)
            self.unfit(reason)
            target.refusal = target.refusal or self.located(reason)

    def persistent(self) -> None:
        if self.load_persistent is None:
            self.refuse("a persistent id, which only PyTorch's files have")
        identifier = self.pop()
        try:
            value = self.load_persistent(identifier)
        except (TypeError, ValueError) as error:
            value = self.unfit(f"a persistent id that names no storage: {error}")
        self.stack.append(value)


STOP = ord(".")

PickleMachine.handlers = {
    0x80: PickleMachine.proto,
    0x95: PickleMachine.frame,
    ord("("): lambda m: m.stack.append(_MARK),
    ord("N"): lambda m: m.stack.append(None),
    0x88: lambda m: m.stack.append(True),
    0x89: lambda m: m.stack.append(False),
    ord("J"): lambda m: m.stack.append(m.number("<i")),
    ord("K"): lambda m: m.stack.append(m.number("<B")),
    ord("M"): lambda m: m.stack.append(m.number("<H")),
    0x8A: lambda m: m.long1(),
    ord("G"): lambda m: m.stack.append(m.number(">d")),
    ord("X"): lambda m: m.stack.append(m.text(m.number("<I"))),
    0x8C: lambda m: m.stack.append(m.text(m.number("<B"))),
    0x8D: lambda m: m.stack.append(m.text(m.number("<Q"))),
    ord("B"): lambda m: m.stack.append(m.part(m.number("<I"))),
    ord("C"): lambda m: m.stack.append(m.part(m.number("<B"))),
    0x8E: lambda m: m.stack.append(m.part(m.number("<Q"))),
    ord("}"): lambda m: m.stack.append({}),
    ord("]"): lambda m: m.stack.append([]),
    ord(")"): lambda m: m.stack.append(()),
    ord("t"): lambda m: m.stack.append(tuple(m.pop_to_mark())),
    0x85: lambda m: m._push_tuple(1),
    0x86: lambda m: m._push_tuple(2),
    0x87: lambda m: m._push_tuple(3),
    ord("a"): lambda m: m.append(),
    ord("e"): lambda m: m.appends(),
    ord("s"): lambda m: m.setitem(),
    ord("u"): lambda m: m.setitems(),
    ord("h"): lambda m: m._recall(m.number("<B")),
    ord("j"): lambda m: m._recall(m.number("<I")),
    ord("q"): lambda m: m._memoize(m.number("<B")),
    ord("r"): lambda m: m._memoize(m.number("<I")),
    0x94: lambda m: m._memoize(len(m.memo)),
    ord("c"): PickleMachine.global_,
    0x93: PickleMachine.stack_global,
    ord("R"): lambda m: m.reduce(),
    0x81: lambda m: m.newobj(),
    ord("b"): lambda m: m.build(),
    ord("Q"): PickleMachine.persistent,
}
