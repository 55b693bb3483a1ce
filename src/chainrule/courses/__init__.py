"""Drop-in faces for the code bases of four courses: their names, signatures, dictionaries and conventions.

Each is a table over the functions of `common`, which are thin views of this package's layers, losses and rules. An
edition is always named: FullyConnectedNet(dropout=0.25) drops a quarter of the units in CS231n 2017, and three
quarters in 2018.

    from chainrule.courses import cs231n
    net = cs231n.edition(2020).fc_net.FullyConnectedNet([100])

`install` writes a folder with which an unmodified notebook finds its imports.
"""

from __future__ import annotations

from chainrule.courses.install import install as install
from chainrule.courses.install import names as names
