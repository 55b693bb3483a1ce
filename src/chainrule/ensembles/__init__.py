"""Several networks, or several views of an image, that answer as one: ensembles, bagging, test-time augmentation."""

from __future__ import annotations

from chainrule.ensembles.comparison import Comparison as Comparison
from chainrule.ensembles.comparison import paired_difference as paired_difference
from chainrule.ensembles.ensemble import Ensemble as Ensemble
from chainrule.ensembles.ensemble import Member as Member
from chainrule.ensembles.views import VIEWS as VIEWS
from chainrule.ensembles.views import Views as Views
from chainrule.ensembles.views import parse_views as parse_views
