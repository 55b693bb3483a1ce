"""Theory that runs: each topic is one file here and one line in the list below."""

from __future__ import annotations

from collections.abc import Mapping

from chainrule.analysis.theory import (
    gradient_errors,
    initial_loss,
    linear_collapse,
    masks,
    parameter_sharing,
    pooling,
    sigmoid_tanh,
    split,
    trees,
    vanishing_gradients,
)
from chainrule.analysis.theory.topic import Finding as Finding
from chainrule.analysis.theory.topic import Topic as Topic

#: Every topic by its name, in the order of the imports above.
TOPICS: Mapping[str, Topic] = {
    module.TOPIC.name: module.TOPIC
    for module in (
        linear_collapse,
        sigmoid_tanh,
        vanishing_gradients,
        initial_loss,
        parameter_sharing,
        masks,
        pooling,
        split,
        trees,
        gradient_errors,
    )
}
