from collections.abc import Callable, Sequence

import numpy as np

SPACE_BITS: int
MOST_PARTS: int

def instruction_sets() -> list[str]: ...
def signatures() -> dict[str, str]: ...
def peak(isa: str, threads: int) -> float: ...
def tile(isa: str) -> tuple[int, int, int]: ...

class Program:
    def __init__(self, isa: str, threads: int) -> None: ...
    def add(self, phase: str, name: str, arguments: Sequence[int]) -> None: ...
    def bind(self, space: int, memory: np.ndarray) -> None: ...
    def set_rule(self, parts: Sequence[tuple[int, list[float], list[int]]]) -> None: ...
    def set_callback(self, callback: Callable[[int, int, int], int]) -> None: ...
    def set_timed(self, timed: bool) -> None: ...
    def seconds(self, phase: str) -> list[float]: ...
    def run(
        self,
        phases: Sequence[str],
        n: int,
        X: np.ndarray,
        rows: np.ndarray | None,
        labels: np.ndarray | None,
        targets: np.ndarray | None,
        seed: int,
        step: int,
        factor: float,
    ) -> tuple[int, float]: ...
    def train(
        self,
        phases: Sequence[str],
        X: np.ndarray,
        rows: np.ndarray,
        ends: np.ndarray,
        labels: np.ndarray | None,
        targets: np.ndarray | None,
        seed: int,
        first_step: int,
        factors: np.ndarray,
        losses: np.ndarray,
    ) -> tuple[int, int]: ...
