"""Transforms of images: those that prepare every part of a data set, and those that vary the training rows.

Each file writes a pure function on batches and the transform that recipes name; the list below is all there are.
"""

from __future__ import annotations

from chainrule.data.augment.color import RGB as RGB
from chainrule.data.augment.color import ColorJitter as ColorJitter
from chainrule.data.augment.color import Grayscale as Grayscale
from chainrule.data.augment.cutout import Cutout as Cutout
from chainrule.data.augment.flip import AlternatingFlip as AlternatingFlip
from chainrule.data.augment.flip import HorizontalFlip as HorizontalFlip
from chainrule.data.augment.mix import CutMix as CutMix
from chainrule.data.augment.mix import MixUp as MixUp
from chainrule.data.augment.resize import Resize as Resize
from chainrule.data.augment.rotation import Rotation as Rotation
from chainrule.data.augment.shift import RandomCrop as RandomCrop
from chainrule.data.augment.shift import Translation as Translation
from chainrule.data.augment.transform import Transform as Transform

#: Every transform class, in the order of the list above.
TRANSFORMS: tuple[type[Transform], ...] = tuple(
    v for v in list(globals().values()) if isinstance(v, type) and issubclass(v, Transform) and v is not Transform
)
