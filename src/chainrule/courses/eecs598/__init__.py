"""EECS 498/598 (Michigan), winter 2018 and 2019, homework 1: flat modules.

Dropout is vanilla: p is the probability of keeping, and nothing is scaled in training. In test mode the assignment's
text returns the input; the edition "2019-scaled" multiplies it by p, as one of the two published versions does.

>>> from chainrule.courses import eecs598
>>> sorted(eecs598.edition(2019).logistic.LogisticClassifier(input_dim=3).params)
['W1', 'b1']
"""

from __future__ import annotations

from collections.abc import Mapping

from chainrule.courses.common.tables import gradient_check_file, optim_file, solver_file
from chainrule.courses.course import Course, Edition, File, offer

EDITIONS = ("2018", "2019", "2019-scaled")


def _layers(edition: str) -> File:
    test_mode = "_scaled" if edition.endswith("-scaled") else ""
    names = offer(
        "eecs598.layers", f"fc_forward fc_backward dropout_forward=dropout_forward{test_mode} dropout_backward"
    )
    names |= offer("common.layers", "relu_forward relu_backward softmax_loss logistic_loss svm_loss=binary_svm_loss")
    names |= offer("common.normalization", "batchnorm_forward batchnorm_backward")
    names |= offer("common.convolution", "conv_forward=valid_conv_forward conv_backward=valid_conv_backward")
    names |= offer("common.convolution", "max_pool_forward max_pool_backward")
    return File("Layers and losses as functions.", names)


def _files(edition: str) -> Mapping[str, File]:
    stars = ("layers.py",)
    return {
        "layers.py": _layers(edition),
        "logistic.py": File("Logistic regression.", offer("eecs598.classifiers", "LogisticClassifier"), stars),
        "svm.py": File("Support vector machine.", offer("eecs598.classifiers", "SVM"), stars),
        "softmax.py": File("Softmax classifier.", offer("eecs598.classifiers", "SoftmaxClassifier"), stars),
        "cnn.py": File("Convolutional network.", offer("eecs598.cnn", "ConvNet"), stars),
        "optim.py": optim_file(),
        "solver.py": solver_file(""),
        "gradient_check.py": gradient_check_file(),
    }


COURSE = Course("eecs598", EDITIONS, _files)


def edition(name: str | int) -> Edition:
    """The edition of that name: `edition(2019).svm.SVM`."""
    return COURSE.edition(name)
