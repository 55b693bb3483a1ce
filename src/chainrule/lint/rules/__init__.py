"""The explicit list of lint rules: a rule exists when its file is imported here, and nowhere else."""

from __future__ import annotations

from chainrule.lint.rule import Rule
from chainrule.lint.rules.batch_dependent_at_test import BatchDependentAtTest as BatchDependentAtTest
from chainrule.lint.rules.batch_exceeds_data import BatchExceedsData as BatchExceedsData
from chainrule.lint.rules.batch_norm_batch_size import BatchNormBatchSize as BatchNormBatchSize
from chainrule.lint.rules.batch_norm_on_scores import BatchNormOnScores as BatchNormOnScores
from chainrule.lint.rules.best_weights_lost import BestWeightsLost as BestWeightsLost
from chainrule.lint.rules.bias_before_batch_norm import BiasBeforeBatchNorm as BiasBeforeBatchNorm
from chainrule.lint.rules.class_imbalance import ClassImbalance as ClassImbalance
from chainrule.lint.rules.clipped_gradients import ClippedGradients as ClippedGradients
from chainrule.lint.rules.clipped_scores import ClippedScores as ClippedScores
from chainrule.lint.rules.conflicting_labels import ConflictingLabels as ConflictingLabels
from chainrule.lint.rules.constant_inputs import ConstantInputs as ConstantInputs
from chainrule.lint.rules.dead_units import DeadUnits as DeadUnits
from chainrule.lint.rules.decayed_biases import DecayedBiases as DecayedBiases
from chainrule.lint.rules.different_shares import DifferentShares as DifferentShares
from chainrule.lint.rules.diverged import Diverged as Diverged
from chainrule.lint.rules.dominant_regularization import DominantRegularization as DominantRegularization
from chainrule.lint.rules.dropout_before_batch_norm import DropoutBeforeBatchNorm as DropoutBeforeBatchNorm
from chainrule.lint.rules.dropout_on_scores import DropoutOnScores as DropoutOnScores
from chainrule.lint.rules.exploding_gradients import ExplodingGradients as ExplodingGradients
from chainrule.lint.rules.first_steps import FirstSteps as FirstSteps
from chainrule.lint.rules.flipped_characters import FlippedCharacters as FlippedCharacters
from chainrule.lint.rules.high_dropout import HighDropout as HighDropout
from chainrule.lint.rules.huge_scores import HugeScores as HugeScores
from chainrule.lint.rules.identical_units import IdenticalUnits as IdenticalUnits
from chainrule.lint.rules.idle_early_stopping import IdleEarlyStopping as IdleEarlyStopping
from chainrule.lint.rules.initial_loss import InitialLoss as InitialLoss
from chainrule.lint.rules.label_in_inputs import LabelInInputs as LabelInInputs
from chainrule.lint.rules.leaked_rows import LeakedRows as LeakedRows
from chainrule.lint.rules.learned_nothing import LearnedNothing as LearnedNothing
from chainrule.lint.rules.learning_rate_low import LearningRateLow as LearningRateLow
from chainrule.lint.rules.learning_rate_range import LearningRateRange as LearningRateRange
from chainrule.lint.rules.loss_floor import LossFloor as LossFloor
from chainrule.lint.rules.missing_classes import MissingClasses as MissingClasses
from chainrule.lint.rules.missing_nonlinearity import MissingNonlinearity as MissingNonlinearity
from chainrule.lint.rules.output_count import OutputCount as OutputCount
from chainrule.lint.rules.overfitting import Overfitting as Overfitting
from chainrule.lint.rules.parts_scaled_differently import PartsScaledDifferently as PartsScaledDifferently
from chainrule.lint.rules.random_at_test import RandomAtTest as RandomAtTest
from chainrule.lint.rules.regression_on_labels import RegressionOnLabels as RegressionOnLabels
from chainrule.lint.rules.regularized_twice import RegularizedTwice as RegularizedTwice
from chainrule.lint.rules.repeated_activation import RepeatedActivation as RepeatedActivation
from chainrule.lint.rules.saturated_units import SaturatedUnits as SaturatedUnits
from chainrule.lint.rules.slow_curve import SlowCurve as SlowCurve
from chainrule.lint.rules.small_validation import SmallValidation as SmallValidation
from chainrule.lint.rules.softmax_before_loss import SoftmaxBeforeLoss as SoftmaxBeforeLoss
from chainrule.lint.rules.squashed_scores import SquashedScores as SquashedScores
from chainrule.lint.rules.still_improving import StillImproving as StillImproving
from chainrule.lint.rules.strong_decay import StrongDecay as StrongDecay
from chainrule.lint.rules.too_few_steps import TooFewSteps as TooFewSteps
from chainrule.lint.rules.uncentred_inputs import UncentredInputs as UncentredInputs
from chainrule.lint.rules.unfinished import Unfinished as Unfinished
from chainrule.lint.rules.unrelated_labels import UnrelatedLabels as UnrelatedLabels
from chainrule.lint.rules.unscaled_inputs import UnscaledInputs as UnscaledInputs
from chainrule.lint.rules.unshuffled_batches import UnshuffledBatches as UnshuffledBatches
from chainrule.lint.rules.unstable_curve import UnstableCurve as UnstableCurve
from chainrule.lint.rules.validation_as_test import ValidationAsTest as ValidationAsTest
from chainrule.lint.rules.vanishing_gradients import VanishingGradients as VanishingGradients
from chainrule.lint.rules.vanishing_schedule import VanishingSchedule as VanishingSchedule

#: Every rule, in the order of the list above.
RULES: tuple[type[Rule], ...] = tuple(
    v for v in list(globals().values()) if isinstance(v, type) and issubclass(v, Rule) and v is not Rule
)
