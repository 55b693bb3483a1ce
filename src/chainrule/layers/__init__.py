"""The explicit list of layers: a layer exists when its file is imported here, and nowhere else.

Every generated test, documentation row, benchmark case and recipe name follows from this list.
"""

from __future__ import annotations

from chainrule.layers.affine import Affine as Affine
from chainrule.layers.average_pool2d import AveragePool2D as AveragePool2D
from chainrule.layers.batch_norm import BatchNorm as BatchNorm
from chainrule.layers.branches import Branches as Branches
from chainrule.layers.conv2d import Conv2D as Conv2D
from chainrule.layers.conv_transpose2d import ConvTranspose2D as ConvTranspose2D
from chainrule.layers.dropout import Dropout as Dropout
from chainrule.layers.elu import ELU as ELU
from chainrule.layers.flatten import Flatten as Flatten
from chainrule.layers.gelu import GELU as GELU
from chainrule.layers.global_average_pool import GlobalAveragePool as GlobalAveragePool
from chainrule.layers.group_norm import GroupNorm as GroupNorm
from chainrule.layers.instance_norm import InstanceNorm as InstanceNorm
from chainrule.layers.layer import Cost as Cost
from chainrule.layers.layer import Layer as Layer
from chainrule.layers.layer import Param as Param
from chainrule.layers.layer_norm import LayerNorm as LayerNorm
from chainrule.layers.leaky_relu import LeakyReLU as LeakyReLU
from chainrule.layers.local_response_norm import LocalResponseNorm as LocalResponseNorm
from chainrule.layers.max_pool2d import MaxPool2D as MaxPool2D
from chainrule.layers.pad import Pad as Pad
from chainrule.layers.pad_channels import PadChannels as PadChannels
from chainrule.layers.prelu import PReLU as PReLU
from chainrule.layers.relu import ReLU as ReLU
from chainrule.layers.residual import Residual as Residual
from chainrule.layers.rms_norm import RMSNorm as RMSNorm
from chainrule.layers.selu import SELU as SELU
from chainrule.layers.sequential import Sequential as Sequential
from chainrule.layers.sigmoid import Sigmoid as Sigmoid
from chainrule.layers.silu import SiLU as SiLU
from chainrule.layers.softmax import Softmax as Softmax
from chainrule.layers.softplus import Softplus as Softplus
from chainrule.layers.spatial_dropout import SpatialDropout as SpatialDropout
from chainrule.layers.squeeze import Squeeze as Squeeze
from chainrule.layers.tanh import Tanh as Tanh

#: Every layer class, in the order of the list above.
LAYERS: tuple[type[Layer], ...] = tuple(
    v for v in list(globals().values()) if isinstance(v, type) and issubclass(v, Layer) and v is not Layer
)
