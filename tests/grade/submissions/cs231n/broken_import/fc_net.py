from .layers import *


class TwoLayerNet(object:
    pass
