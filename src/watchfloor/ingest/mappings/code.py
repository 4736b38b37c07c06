"""Writing straight-line Python: lines, names, and which values are already at hand.

Nothing of a mapping's YAML becomes code: its texts and numbers stand in the source as literals (`literal`), everything
else is an object that a name is bound to.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from contextlib import contextmanager
from typing import Any

from watchfloor.ingest.mappings import runtime
from watchfloor.ingest.mappings.convert import CONVERTERS, text
from watchfloor.ingest.mappings.values import ABSENT, SHORT, getter, present, step, walked

_INDENT = "    "
_RUNTIME = {
    "ABSENT": ABSENT,
    "BOTH": (list, dict),
    "NOTHING": runtime.NOTHING,
    "as_text": runtime.as_text,
    "collected": runtime.collected,
    "inner": runtime.inner,
    "key": runtime.key,
    "numbered": runtime.numbered,
    "observe": runtime.observe,
    "present": present,
    "reach": runtime.reach,
    "step": step,
    "text": text,
    "walked": walked,
    **{f"to_{name}": convert for name, convert in CONVERTERS.items()},
    **{f"known_{name}": known for name, known in runtime.KNOWN.items()},
}


class Module:
    """Functions that are compiled together, with the objects that they name."""

    def __init__(self, where: str) -> None:
        self.where = where
        self._bound: dict[str, Any] = {}
        self._sources: list[str] = []
        self._names = 0

    def fresh(self, hint: str) -> str:
        self._names += 1
        return f"{hint}{self._names}"

    def bind(self, value: Any, hint: str = "K") -> str:
        """A name for an object."""
        name = self.fresh(hint)
        self._bound[name] = value
        return name

    def literal(self, value: Any) -> str:
        """Source that evaluates to the value."""
        if value is None or isinstance(value, bool):
            return str(value)
        if type(value) is str:
            return ascii(value)
        if type(value) is int and abs(value) < 10**18:
            return f"({value})"
        return self.bind(value)

    def add(self, function: Function) -> None:
        self._sources.append(function.source())

    @property
    def source(self) -> str:
        return "\n\n".join(self._sources)

    def compiled(self) -> dict[str, Any]:
        """The namespace with the functions in it."""
        space = {**_RUNTIME, **self._bound}
        exec(compile(self.source, f"<{self.where}>", "exec"), space)  # noqa: S102 - see the module's text
        return space


class Function:
    """A function of a record's `data` in the making.

    `flat`: whether keys of the data may hold dots; where none does, paths are walked at once.
    """

    def __init__(self, module: Module, name: str, *more: str, flat: bool) -> None:
        self.module, self.name, self.flat = module, name, flat
        self._lines = [f"def {name}({', '.join(['data', *more])}):", f"{_INDENT}g = data.get"]
        self._depth = 1
        self._known: list[dict[Hashable, str]] = [{}]

    def source(self) -> str:
        return "\n".join(self._lines)

    def line(self, text: str) -> None:
        self._lines.append(_INDENT * self._depth + text)

    @contextmanager
    def scope(self) -> Iterator[None]:
        """What is computed in here is forgotten after it: it may not have been."""
        self._known.append({})
        yield
        self._known.pop()

    @contextmanager
    def block(self, head: str) -> Iterator[None]:
        """Lines under `if ...:`; their computations are known on until the scope's end."""
        self.line(head)
        self._depth += 1
        yield
        self._depth -= 1

    def known(self, what: Hashable) -> str | None:
        """The variable that holds a value, when it is at hand here."""
        return next((names[what] for names in reversed(self._known) if what in names), None)

    def keep(self, what: Hashable, variable: str) -> str:
        self._known[-1][what] = variable
        return variable

    def let(self, expression: str, hint: str = "v") -> str:
        """A new variable."""
        name = self.module.fresh(hint)
        self.line(f"{name} = {expression}")
        return name

    def named(self, expression: str) -> str:
        """The variable that an expression is, or a new one for it."""
        return expression if expression.isidentifier() else self.let(expression)

    # Values of the record

    def raw(self, path: str) -> str:
        """An expression for what stands at a path, whether or not it says something."""
        parts = tuple(path.split("."))
        if "*" in parts:
            return f"{self.module.bind(getter(path), 'get')}(data)"
        if len(parts) == 1:
            return f"g({self.module.literal(path)})"
        if self.flat:
            v, key, first = self.module.fresh("t"), self.module.literal(path), self.module.literal(parts[0])
            walk = f"walked(data, {self.module.bind(parts, 'PARTS')}) if {first} in data else None"
            return f"({v} if ({v} := g({key})) is not None else {walk})"
        return self._after(parts)

    def _after(self, parts: tuple[str, ...]) -> str:
        *before, last = parts
        if not before:
            return f"g({self.module.literal(last)})"
        if last.isdigit():
            above = self._at(tuple(before))
            if not last.isascii():
                return f"step({above}, {self.module.literal(last)})"
            item = f"({above}[{int(last)}] if len({above}) > {int(last)} else None)"
            return f"({item} if type({above}) is list else step({above}, {self.module.literal(last)}))"
        getter_ = self.known(("get", *before))
        if getter_ is None:
            value = self._at(tuple(before))
            inner = f"{value}.get if type({value}) is dict else NOTHING if {value} is None else inner({value})"
            getter_ = self.keep(("get", *before), self.let(inner, "g"))
        return f"{getter_}({self.module.literal(last)})"

    def _at(self, parts: tuple[str, ...]) -> str:
        variable = self.known(("at", *parts))
        return variable or self.keep(("at", *parts), self.let(self._after(parts), "n"))

    def present(self, path: str) -> str:
        """A variable that holds what stands at a path, None when that says nothing."""
        variable = self.known(("present", path))
        if variable is not None:
            return variable
        v = self.let(self.raw(path))
        self.make_present(v)
        return self.keep(("present", path), v)

    def text(self, path: str) -> str:
        """A variable that holds the same as text."""
        variable = self.known(("text", path))
        if variable is not None:
            return variable
        v = self.known(("present", path))
        if v is not None:
            whole = f"{v} if {v} is None or type({v}) is str and {v}.isascii() else text({v})"
            return self.keep(("text", path), self.let(whole))
        v = self.let(self.raw(path))
        self.make_text(v)
        return self.keep(("text", path), v)

    def make_present(self, v: str) -> None:
        """Makes a variable None where its value says nothing."""
        self.line(f"if {v} is not None:")
        self.line(f"    if type({v}) is str:")
        self.line(f"        if len({v}) <= {SHORT} and {v} in ABSENT: {v} = None")
        self.line(f"    elif not {v} and isinstance({v}, BOTH): {v} = None")

    def make_text(self, v: str) -> None:
        """The same, and text of what it holds."""
        self.line(f"if {v} is not None:")
        self.line(f"    if type({v}) is str:")
        self.line(f"        if len({v}) <= {SHORT} and {v} in ABSENT: {v} = None")
        self.line(f"        elif not {v}.isascii(): {v} = text({v})")
        self.line(f"    else: {v} = as_text({v})")
