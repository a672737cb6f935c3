"""A reader of the pickles that `torch.save` writes: rebuilds names and shapes, calls nothing.

The standard library's unpickler is not used: a few hundred bytes make it hang or take all memory
(tuples of tuples as keys, numbers of memo places), whatever `find_class` says. This one knows the
instructions that checkpoints need, in bounded number.
"""

from __future__ import annotations

import pickletools
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from soundreel.engines.tensors import TensorHeader, checked_shape

_MAX_STEPS = 500_000  # a tensor takes about 25

_STORAGE_DTYPES = {
    "FloatStorage": "F32",
    "DoubleStorage": "F64",
    "HalfStorage": "F16",
    "BFloat16Storage": "BF16",
    "LongStorage": "I64",
    "IntStorage": "I32",
    "ShortStorage": "I16",
    "CharStorage": "I8",
    "ByteStorage": "U8",
    "BoolStorage": "BOOL",
    "Float8_e4m3fnStorage": "F8_E4M3",
    "Float8_e5m2Storage": "F8_E5M2",
}


def read_pickle(data: bytes) -> object:
    """The pickled tree with a TensorHeader for each tensor. Raises ValueError where it holds more
    than plain tensors and values, and what `pickletools` raises."""
    machine = _Machine()
    for step, (opcode, argument, _) in enumerate(pickletools.genops(data)):
        if step > _MAX_STEPS:
            raise ValueError(f"its pickle has more than {_MAX_STEPS:,} steps")
        if opcode.name == "STOP":
            return machine.pop()
        machine.do(opcode.name, argument)
    raise EOFError("its pickle breaks off")


@dataclass(frozen=True, slots=True)
class _Call:
    """A function that a pickle may name."""

    name: str


_MARK = object()
_ORDERED_DICT, _TENSOR, _PARAMETER = _Call("dict"), _Call("tensor"), _Call("parameter")


class _Machine:
    def __init__(self) -> None:
        self._stack: list[object] = []
        self._memo: dict[object, object] = {}

    def do(self, name: str, argument: object) -> None:
        if name in _PUSHED:
            self._stack.append(_PUSHED[name]() if argument is None else argument)
        elif name in ("PUT", "BINPUT", "LONG_BINPUT", "MEMOIZE"):
            self._memo[len(self._memo) if argument is None else argument] = self._stack[-1]
        elif name in ("GET", "BINGET", "LONG_BINGET"):
            self._stack.append(self._memo[argument])
        elif name in _STEPS:
            _STEPS[name](self, argument)
        elif name not in ("PROTO", "FRAME"):
            raise ValueError(f"its pickle does {name}: more than plain tensors")

    @property
    def top(self) -> object:
        return self._stack[-1]

    def pop(self) -> object:
        return self._stack.pop()

    def push(self, value: object) -> None:
        self._stack.append(value)

    def pop_to_mark(self) -> list[object]:
        values: list[object] = []
        while (value := self._stack.pop()) is not _MARK:  # IndexError where there is none
            values.append(value)
        return values[::-1]


_PUSHED: Mapping[str, Callable[[], object]] = {
    **dict.fromkeys(("INT", "LONG", "LONG1", "LONG4", "BININT", "BININT1", "BININT2"), int),
    **dict.fromkeys(("FLOAT", "BINFLOAT"), float),
    **dict.fromkeys(("UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8"), str),
    **dict.fromkeys(("STRING", "BINSTRING", "SHORT_BINSTRING"), str),
    **dict.fromkeys(("BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8"), bytes),
    **{"NONE": lambda: None, "NEWTRUE": lambda: True, "NEWFALSE": lambda: False},
    **{"EMPTY_DICT": dict, "EMPTY_LIST": list, "EMPTY_TUPLE": tuple},
    "MARK": lambda: _MARK,
}
"""Instructions that put a value on the stack: their argument, or else a new one."""


def _named(module: str, name: str) -> object:
    if (module, name) == ("collections", "OrderedDict"):
        return _ORDERED_DICT
    if module.startswith("torch"):
        if name.startswith("_rebuild_tensor"):
            return _TENSOR
        if name == "_rebuild_parameter":
            return _PARAMETER
        if name in _STORAGE_DTYPES:
            return _STORAGE_DTYPES[name]
    raise ValueError(f"it names {module}.{name}: more than plain tensors")


def _global(machine: _Machine, argument: object) -> None:
    module, _, name = str(argument).partition(" ")
    machine.push(_named(module, name))


def _stack_global(machine: _Machine, _argument: object) -> None:
    name, module = machine.pop(), machine.pop()
    machine.push(_named(str(module), str(name)))


def _reduce(machine: _Machine, _argument: object) -> None:
    arguments, call = machine.pop(), machine.pop()
    if not isinstance(arguments, tuple):
        raise ValueError("its pickle calls a function without arguments")
    if call is _ORDERED_DICT:
        if arguments:
            raise ValueError("a dictionary made of something else than entries")
        machine.push({})
    elif call is _TENSOR:
        storage, _offset, size = arguments[:3]
        if storage not in _STORAGE_DTYPES.values() or not isinstance(size, tuple):
            raise ValueError("a tensor without a storage or a shape")
        machine.push(TensorHeader(str(storage), checked_shape(size)))
    elif call is _PARAMETER:
        machine.push(arguments[0])
    else:
        raise ValueError("its pickle calls what is not a function")


def _filled(target: object, values: list[object]) -> object:
    """Keys are names and numbers: the hash of a tuple of tuples may take years."""
    if not isinstance(target, dict):
        raise ValueError("its pickle puts entries into what is not a dictionary")
    for key, value in zip(values[::2], values[1::2], strict=True):
        if not isinstance(key, str) and not (isinstance(key, int) and abs(key) < 2**64):
            raise ValueError(f"a dictionary with a key of type {type(key).__name__}")
        target[key] = value
    return target


def _persistent(machine: _Machine, _argument: object) -> None:
    """("storage", dtype, key, device, numel) stands for the numbers: its dtype is what counts."""
    about = machine.pop()
    if not isinstance(about, tuple) or len(about) < 2:
        raise ValueError("a storage without a type")
    machine.push(about[1])


def _set_item(machine: _Machine, _argument: object) -> None:
    value, key = machine.pop(), machine.pop()
    _filled(machine.top, [key, value])


def _set_items(machine: _Machine, _argument: object) -> None:
    values = machine.pop_to_mark()
    _filled(machine.top, values)


def _append(machine: _Machine, values: list[object]) -> None:
    if not isinstance(machine.top, list):
        raise ValueError("its pickle appends to what is not a list")
    machine.top.extend(values)


def _build(machine: _Machine, _argument: object) -> None:
    """What OrderedDict carries beside its entries (the versions of modules) says nothing here."""
    machine.pop()
    if not isinstance(machine.top, dict):
        raise ValueError("its pickle sets attributes: more than plain tensors")


def _tuple(machine: _Machine, count: int) -> None:
    machine.push(tuple(reversed([machine.pop() for _ in range(count)])))


_STEPS: Mapping[str, Callable[[_Machine, object], None]] = {
    "GLOBAL": _global,
    "STACK_GLOBAL": _stack_global,
    "REDUCE": _reduce,
    "BUILD": _build,
    "BINPERSID": _persistent,
    "SETITEM": _set_item,
    "SETITEMS": _set_items,
    "APPEND": lambda machine, _: _append(machine, [machine.pop()]),
    "APPENDS": lambda machine, _: _append(machine, machine.pop_to_mark()),
    "TUPLE1": lambda machine, _: _tuple(machine, 1),
    "TUPLE2": lambda machine, _: _tuple(machine, 2),
    "TUPLE3": lambda machine, _: _tuple(machine, 3),
    "TUPLE": lambda machine, _: machine.push(tuple(machine.pop_to_mark())),
    "LIST": lambda machine, _: machine.push(machine.pop_to_mark()),
    "DICT": lambda machine, _: machine.push(_filled({}, machine.pop_to_mark())),
}
