"""The training loop, its callbacks, history and checkpoints."""

from __future__ import annotations

from chainrule.solver.averaging import EMA as EMA
from chainrule.solver.averaging import SWA as SWA
from chainrule.solver.averaging import WeightAveraging as WeightAveraging
from chainrule.solver.callbacks import Callback as Callback
from chainrule.solver.callbacks import Checkpoints as Checkpoints
from chainrule.solver.callbacks import EarlyStopping as EarlyStopping
from chainrule.solver.callbacks import KeepLast as KeepLast
from chainrule.solver.checkpoint import load_network as load_network
from chainrule.solver.checkpoint import load_training as load_training
from chainrule.solver.checkpoint import save_network as save_network
from chainrule.solver.divergence import BackOff as BackOff
from chainrule.solver.history import Epoch as Epoch
from chainrule.solver.history import History as History
from chainrule.solver.history import Rollback as Rollback
from chainrule.solver.resumption import TrainingCheckpoints as TrainingCheckpoints
from chainrule.solver.resumption import resume_training as resume_training
from chainrule.solver.solver import Solver as Solver
