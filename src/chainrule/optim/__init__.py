"""The explicit list of update rules: a rule exists when its file is imported here, and nowhere else."""

from __future__ import annotations

from chainrule.optim.adadelta import AdaDelta as AdaDelta
from chainrule.optim.adagrad import AdaGrad as AdaGrad
from chainrule.optim.adam import Adam as Adam
from chainrule.optim.adam import AdamW as AdamW
from chainrule.optim.chain import Chain as Chain
from chainrule.optim.lion import Lion as Lion
from chainrule.optim.momentum import Momentum as Momentum
from chainrule.optim.momentum import Nesterov as Nesterov
from chainrule.optim.rmsprop import RMSProp as RMSProp
from chainrule.optim.schedules import SCHEDULES as SCHEDULES
from chainrule.optim.schedules import Cosine as Cosine
from chainrule.optim.schedules import CyclicCosine as CyclicCosine
from chainrule.optim.schedules import EpochDecay as EpochDecay
from chainrule.optim.schedules import OneCycle as OneCycle
from chainrule.optim.schedules import ReduceOnPlateau as ReduceOnPlateau
from chainrule.optim.schedules import Schedule as Schedule
from chainrule.optim.schedules import StepDecay as StepDecay
from chainrule.optim.schedules import WarmUp as WarmUp
from chainrule.optim.schedules import When as When
from chainrule.optim.sgd import SGD as SGD
from chainrule.optim.update_rule import Step as Step
from chainrule.optim.update_rule import Transform as Transform
from chainrule.optim.update_rule import UpdateRule as UpdateRule

#: Every update rule class, in the order of the list above; `Chain` only wraps others.
RULES: tuple[type[UpdateRule], ...] = tuple(
    v
    for v in list(globals().values())
    if isinstance(v, type) and issubclass(v, UpdateRule) and v not in (UpdateRule, Chain)
)
