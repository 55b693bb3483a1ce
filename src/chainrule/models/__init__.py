"""Functions that return networks, and the explicit list of models with published counts."""

from __future__ import annotations

from collections.abc import Mapping

from chainrule.models import alexnet, googlenet, lenet, resnet, vgg
from chainrule.models.alexnet import AlexNet as AlexNet
from chainrule.models.blocks import affine_relu as affine_relu
from chainrule.models.blocks import conv_bn_relu as conv_bn_relu
from chainrule.models.blocks import conv_relu as conv_relu
from chainrule.models.blocks import conv_relu_pool as conv_relu_pool
from chainrule.models.convnet import ConvNet as ConvNet
from chainrule.models.convnet import ThreeLayerConvNet as ThreeLayerConvNet
from chainrule.models.fully_connected import FullyConnectedNet as FullyConnectedNet
from chainrule.models.fully_connected import TwoLayerNet as TwoLayerNet
from chainrule.models.googlenet import GoogLeNet as GoogLeNet
from chainrule.models.lenet import LeNet5 as LeNet5
from chainrule.models.linear import SVM as SVM
from chainrule.models.linear import LogisticClassifier as LogisticClassifier
from chainrule.models.linear import SoftmaxClassifier as SoftmaxClassifier
from chainrule.models.model import Model as Model
from chainrule.models.resnet import ResNet18 as ResNet18
from chainrule.models.resnet import ResNet20 as ResNet20
from chainrule.models.vgg import VGG11 as VGG11
from chainrule.models.vgg import CifarVGG as CifarVGG
from chainrule.models.vgg import CifarVGGWide as CifarVGGWide

#: The models that `chainrule summary` knows by name.
MODELS: Mapping[str, Model] = {
    m.name: m for m in (lenet.MODEL, alexnet.MODEL, vgg.MODEL, googlenet.MODEL, resnet.RESNET18, resnet.RESNET20)
}
