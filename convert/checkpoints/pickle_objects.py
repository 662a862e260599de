"""An interpreter of pickles in which weights stand beside other objects. Those stand inert: none is looked at, or made.

A training checkpoint has the author's own settings, paths, dates and histories beside the weights. Whatever such an
object is made of becomes an `Inert`: what the stream calls, sets or appends to it has no effect. The file is refused
only where one stands among the weights.

Only for containers whose own loader refuses, or ignores, what it does not know: `torch.load` with `weights_only=True`.
"""

from __future__ import annotations

from typing import Any

from convert.checkpoints.hostile_names import is_hostile
from convert.checkpoints.pickle_globals import Global, Inert, naming
from convert.checkpoints.pickle_machine import PickleMachine
from convert.errors import shown

PLAIN_MODULES = ("builtins", "__builtin__", "exceptions")  # whose values nobody calls an object
# Classes whose objects a reader makes by hashing what they hold.
HASHING = ("set", "frozenset", "Counter", "dict")
# Classes that take memory by a number, and that no object has beside the weights but by its content.
ALLOCATING = ("Tensor", "Storage", "bytearray")


class ObjectMachine(PickleMachine):
    """Runs one stream of a file that may hold any object beside tensors; arguments are those of `PickleMachine`.

    Attributes:
        beside: the full names of all globals that were met and are in no table, as a message may show them.
    """

    odd_keys = True

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.beside: dict[str, None] = {}
        self._unknown: dict[tuple[str, str], Inert] = {}

    def unfit(self, reason: str) -> Any:
        return Inert(self.located(reason))

    def unknown(self, module: str, name: str) -> Any:
        if is_hostile(module, name):
            self.refuse(naming(module, name))
        if (module, name) not in self._unknown:
            full_name = shown(f"{module}.{name}")
            self._unknown[module, name] = Inert(self.located(naming(module, name)), full_name)
            if module not in PLAIN_MODULES:
                self.beside[full_name] = None
        return self._unknown[module, name]

    def call(self, function: Any, arguments: Any) -> Any:
        if isinstance(function, Inert):
            self._check_harmless(function, arguments)
            return function
        if isinstance(function, Global) and isinstance(arguments, tuple | Inert):
            few = arguments[:8] if isinstance(arguments, tuple) else (arguments,)
            inert = next((argument for argument in few if isinstance(argument, Inert)), None)
            if inert is not None and function.reduce is not None:
                return inert
            if function.name == "OrderedDict" and arguments:  # other readers hash the keys
                self.refuse(f"{function.full_name} with arguments that it does not take: pairs in the constructor")
        return super().call(function, arguments)

    def newobj(self) -> None:
        if len(self.stack) > 1 and isinstance(self.stack[-2], Inert):
            self.reduce()
        else:
            super().newobj()

    def newobj_ex(self) -> None:
        """NEWOBJ with arguments by name, which no class of a table takes."""
        names, arguments, made_by = self.pop(), self.pop(), self.pop()
        self._check_harmless(made_by, (arguments, names))
        self.stack.append(self._of(made_by))

    def obj(self) -> None:
        """A class and its arguments from a mark on, as Python 2 wrote them."""
        items = self.pop_to_mark()
        if not items:
            self.refuse("an object without a class")
        self._check_harmless(items[0], tuple(items[1:]))
        self.stack.append(self._of(items[0]))

    def inst(self) -> None:
        """The same with the class named."""
        module = self.line()
        made_by = self.find_global(module, self.line())
        self._check_harmless(made_by, tuple(self.pop_to_mark()))
        self.stack.append(self._of(made_by))

    def append(self) -> None:
        item = self.pop()
        target = self.top(list, Inert)
        if isinstance(target, list):
            target.append(item)

    def appends(self) -> None:
        items = self.pop_to_mark()
        target = self.top(list, Inert)
        if isinstance(target, list):
            target.extend(items)

    def setitem(self) -> None:
        value, key = self.pop(), self.pop()
        self._set_items([key, value])

    def setitems(self) -> None:
        self._set_items(self.pop_to_mark())

    def additems(self) -> None:
        """Elements of a set, as protocol 4 has them."""
        self._check_elements(self.pop_to_mark())
        self.top(Inert)

    def frozenset_(self) -> None:
        self._check_elements(self.pop_to_mark())
        self.stack.append(Inert(name="builtins.frozenset"))

    def long1(self) -> None:
        self.stack.append(int.from_bytes(self.take(self.take(1)[0]), "little", signed=True))

    def _set_items(self, items: list[Any]) -> None:
        target = self.top(dict, Inert)
        self.set_items({} if isinstance(target, Inert) else target, items)

    def _of(self, made_by: Any) -> Inert:
        """What stands for an object made in a way that no tensor is."""
        if isinstance(made_by, Global):
            return Inert(self.located(naming(made_by.module, made_by.name)), made_by.full_name)
        if not isinstance(made_by, Inert):
            self.refuse("a call of something that is no function")
        return made_by

    def _check_harmless(self, made_by: Any, arguments: Any) -> None:
        """Refuses a call that would keep another reader busy, or take its memory."""
        last = made_by.name.rpartition(".")[2] if isinstance(made_by, Inert | Global) else ""
        few = arguments if isinstance(arguments, tuple) and len(arguments) <= 8 else ()
        if last in HASHING:
            for argument in few:
                self._check_elements(argument if isinstance(argument, list | tuple) else ())
        if last.endswith(ALLOCATING) and any(isinstance(argument, int) for argument in few):
            self.refuse(f"a call of {made_by.name} with a size, which no state dict makes")

    def _check_elements(self, elements: Any) -> None:
        try:
            self.keys.check_elements(elements)
        except ValueError as error:
            self.refuse(str(error))


ObjectMachine.handlers = {
    **PickleMachine.handlers,
    ord("0"): lambda m: m.pop(),
    ord("1"): lambda m: m.pop_to_mark(),
    ord("U"): lambda m: m.stack.append(m.text(m.number("<B"), "strict")),
    ord("T"): lambda m: m.stack.append(m.text(m.number("<I"), "strict")),
    ord("i"): ObjectMachine.inst,
    ord("o"): ObjectMachine.obj,
    0x8B: lambda m: m.stack.append(Inert(name=f"an integer of {m.part(m.number('<I')).nbytes:,} bytes")),
    0x8F: lambda m: m.stack.append(Inert(name="builtins.set")),
    0x90: ObjectMachine.additems,
    0x91: ObjectMachine.frozenset_,
    0x92: ObjectMachine.newobj_ex,
    0x96: lambda m: m.stack.append(Inert(name=f"builtins.bytearray of {m.part(m.number('<Q')).nbytes:,} bytes")),
}
