"""Several networks, or several views of an image, that answer as one: ensembles, bagging, test-time augmentation."""

from __future__ import annotations

from chainrule.ensembles.bagging import BaggingRow as BaggingRow
from chainrule.ensembles.bagging import OutOfBag as OutOfBag
from chainrule.ensembles.bagging import bagging_table as bagging_table
from chainrule.ensembles.bagging import out_of_bag_score as out_of_bag_score
from chainrule.ensembles.bagging import prediction_errors as prediction_errors
from chainrule.ensembles.bagging import uncorrelated_errors as uncorrelated_errors
from chainrule.ensembles.comparison import Comparison as Comparison
from chainrule.ensembles.comparison import paired_difference as paired_difference
from chainrule.ensembles.ensemble import Ensemble as Ensemble
from chainrule.ensembles.ensemble import Member as Member
from chainrule.ensembles.ensemble import usual_ensemble as usual_ensemble
from chainrule.ensembles.figure import bagging_figure as bagging_figure
from chainrule.ensembles.runs import ensemble_of as ensemble_of
from chainrule.ensembles.runs import load_runs as load_runs
from chainrule.ensembles.runs import shared_test_part as shared_test_part
from chainrule.ensembles.runs import train_members as train_members
from chainrule.ensembles.snapshots import Snapshots as Snapshots
from chainrule.ensembles.snapshots import train_snapshots as train_snapshots
from chainrule.ensembles.submission import write_submission as write_submission
from chainrule.ensembles.views import VIEWS as VIEWS
from chainrule.ensembles.views import Views as Views
from chainrule.ensembles.views import parse_views as parse_views
