"""torchvision's functions on tensors, the oracle of most transforms."""

from __future__ import annotations

import ctypes
import importlib.util
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest


@pytest.fixture(scope="session")
def torchvision() -> Any:
    """`torchvision.transforms.v2.functional`, which is Python; its compiled part, for detection, may fail to load."""
    spec = importlib.util.find_spec("torchvision")
    if spec is None or spec.origin is None:
        pytest.skip("compares with torchvision, which is not installed")
    import torch

    try:
        ctypes.CDLL(str(Path(spec.origin).parent / "_C.so"))
    except OSError:  # a wheel for graphics cards beside a torch without: declare what its import asks for
        library = torch.library.Library("torchvision", "DEF")
        for operator in ("nms", "qnms"):
            library.define(f"{operator}(Tensor x) -> Tensor")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import torchvision.transforms.v2.functional as functional
    return functional


@pytest.fixture(scope="session")
def photos() -> np.ndarray:
    """Six colour images (6, 3, 20, 28) of bytes: smooth, with some noise and plain areas."""
    rng = np.random.default_rng(5)
    y, x = np.mgrid[:20, :28] / 20
    waves = [np.sin(a * x + b * y + c) for a, b, c in rng.uniform(-4, 4, (18, 3))]
    smooth = 127 + 120 * np.array(waves).reshape(6, 3, 20, 28) + rng.normal(0, 6, (6, 3, 20, 28))
    images = np.clip(smooth, 0, 255).astype(np.uint8)
    images[0, :, :5, :5], images[1, :, :5, :5], images[2, 1:, 5:9] = 0, 255, 30
    images[3] = images[3, :1]  # grey
    return images
