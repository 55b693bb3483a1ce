"""Layers written in words: `conv 20 4x4 pad 1 stride 2; maxpool 3x3 stride 1; flatten; affine 10`.

Layers are parted by semicolons. A layer is its name, the numbers of the options that it needs, in the order of its
declaration, and further options by name: `stride 2`, `pad 1`, `groups 2`, `no bias`, `same`, `ceil`. 4x3 is a size down
and across. Every registered layer can be written by its class name; common short names are known as well.
"""

from __future__ import annotations

import dataclasses
import re
from typing import Any

from chainrule.config import from_config
from chainrule.errors import ChainruleError, ConfigError, unknown
from chainrule.layers import LAYERS, Layer
from chainrule.layers.sequential import Composite

#: Short names beside the class names, which are known in any case.
SHORT_NAMES = {
    "conv": "Conv2D",
    "convolution": "Conv2D",
    "deconv": "ConvTranspose2D",
    "pool": "MaxPool2D",
    "maxpool": "MaxPool2D",
    "avgpool": "AveragePool2D",
    "averagepool": "AveragePool2D",
    "gap": "GlobalAveragePool",
    "fc": "Affine",
    "dense": "Affine",
    "linear": "Affine",
    "bn": "BatchNorm",
    "lrn": "LocalResponseNorm",
}
OPTION_NAMES = {"pad": "padding", "kernel_size": "kernel", "filter": "filters"}
#: Words that are the value of an option which they name.
VALUES = {
    **dict.fromkeys(("same", "valid", "full"), "padding"),
    **dict.fromkeys(("exact", "floor", "ceil"), "rounding"),
}
#: Composite layers hold lists of layers, which words cannot say.
NAMES = {c.__name__.lower(): c.__name__ for c in LAYERS if not issubclass(c, Composite)} | SHORT_NAMES


def layers_from_words(text: str) -> list[Layer]:
    """The layers that `text` lists; a `ConfigError` says which one cannot be read and why.

    >>> layers_from_words("conv 20 4x4 pad 1 stride 2; relu")[0].stride
    2
    """
    parts = [part.split() for part in text.replace("\n", ";").split(";")]
    written = [words for words in parts if words]
    if not written:
        raise ConfigError("layers: expected layers such as 'conv 20 4x4 stride 2; relu', got none")
    return [_layer(words, i + 1) for i, words in enumerate(written)]


def _layer(words: list[str], number: int) -> Layer:
    where = f"layer {number} ({' '.join(words)})"
    name, *rest = words
    if name.lower() not in NAMES:
        raise ConfigError(f"{where}: {unknown('layer', name, NAMES)}")
    cls = next(c for c in LAYERS if c.__name__ == NAMES[name.lower()])
    try:
        layer = from_config("layer", {"layer": cls.__name__, **_options(cls, rest)}, where)
    except ConfigError as error:
        message = str(error)
        raise ConfigError(message if message.startswith(where) else f"{where}: {message}") from None
    except ChainruleError as error:
        raise ConfigError(f"{where}: {error}") from None
    assert isinstance(layer, Layer)
    return layer


def _options(cls: type[Layer], words: list[str]) -> dict[str, Any]:
    fields = [f.name for f in dataclasses.fields(cls)]  # type: ignore[arg-type]
    needed = [f.name for f in dataclasses.fields(cls) if f.default is dataclasses.MISSING]  # type: ignore[arg-type]
    in_order = needed if needed else fields[:1]
    options: dict[str, Any] = {}
    left = [w for word in words for w in word.split("=") if w]
    while left:
        word = left.pop(0)
        if _NUMBER.match(word):
            name = next((n for n in in_order if n not in options), None)
            if name is None:
                known = ", ".join(f for f in fields if f != "init")
                raise ConfigError(f"{word} stands for no option; name it, such as 'stride {word}' (known: {known})")
            options[name] = _value(word)
            continue
        value: Any = None
        name = OPTION_NAMES.get(word.lower(), word.lower())
        if word.lower() in VALUES:
            name, value = VALUES[word.lower()], word.lower()
        elif name == "no" and left[:1] == ["bias"]:
            name, value = left.pop(0), False
        elif left and name in fields:
            value = _value(left.pop(0))
        if name not in fields or name == "init":
            raise unknown(f"option of {cls.__name__}", word, [f for f in fields if f != "init"])
        if value is None:
            raise ConfigError(f"{word} needs a value")
        if name in options:
            raise ConfigError(f"{name} is given twice")
        options[name] = value
    return options


_NUMBER = re.compile(r"^[-+.]?\d")


def _value(word: str) -> Any:
    """4, 0.5, 4x3 or 1,0,1,0 (a list), true or false, or the word itself."""
    if word.lower() in ("true", "false"):
        return word.lower() == "true"
    if re.fullmatch(r"\d+([x×,]\d+)+", word):
        numbers = [int(n) for n in re.split("[x×,]", word)]
        return numbers[0] if len(set(numbers)) == 1 and len(numbers) == 2 else numbers
    for kind in (int, float):
        try:
            return kind(word)
        except ValueError:
            continue
    return word


def shape_from_words(text: str) -> tuple[int, ...]:
    """The shape `3,32,32`, `3x32x32` or `784`, channels first.

    >>> shape_from_words("50,12,12")
    (50, 12, 12)
    """
    numbers = re.split("[x×,]", text.replace(" ", ""))
    if not all(re.fullmatch(r"[0-9]{1,9}", n) and int(n) > 0 for n in numbers):
        raise ConfigError(f"--input must be a shape such as 784 or 3,32,32 (channels first), got {text!r}")
    return tuple(map(int, numbers))
