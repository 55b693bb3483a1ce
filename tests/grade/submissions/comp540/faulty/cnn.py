from builtins import object

import numpy as np

from fast_layers import *
from layer_utils import *
from layers import *


class ThreeLayerConvNet(object):
    def __init__(
        self,
        input_dim=(3, 32, 32),
        num_filters=32,
        filter_size=7,
        hidden_dim=100,
        num_classes=10,
        weight_scale=1e-3,
        reg=0.0,
        dtype=np.float32,
    ):
        self.params = {}
        self.reg = reg
        self.dtype = dtype
        C, H, W = input_dim
        self.params["theta1"] = np.random.normal(0, weight_scale, (num_filters, C, filter_size, filter_size))
        self.params["theta1_0"] = np.zeros(num_filters)
        self.params["theta2"] = np.random.normal(0, weight_scale, (num_filters * (H // 2) * (W // 2), hidden_dim))
        self.params["theta2_0"] = np.zeros(hidden_dim)
        self.params["theta3"] = np.random.normal(0, weight_scale, (hidden_dim, num_classes))
        self.params["theta3_0"] = np.zeros(num_classes)
        for k, v in self.params.items():
            self.params[k] = v.astype(dtype)

    def loss(self, X, y=None):
        W1, b1 = self.params["theta1"], self.params["theta1_0"]
        W2, b2 = self.params["theta2"], self.params["theta2_0"]
        W3, b3 = self.params["theta3"], self.params["theta3_0"]
        conv_param = {"stride": 1, "pad": (W1.shape[2] - 1) // 2}
        pool_param = {"pool_height": 2, "pool_width": 2, "stride": 2}
        a1, cache1 = conv_relu_pool_forward(X, W1, b1, conv_param, pool_param)
        a2, cache2 = affine_relu_forward(a1, W2, b2)
        scores, cache3 = affine_forward(a2, W3, b3)
        if y is None:
            return scores
        loss, dout = softmax_loss(scores, y)
        loss += 0.5 * self.reg * sum(np.sum(W * W) for W in (W1, W2, W3))
        dout, dW3, db3 = affine_backward(dout, cache3)
        dout, dW2, db2 = affine_relu_backward(dout, cache2)
        dout, dW1, db1 = conv_relu_pool_backward(dout, cache1)
        grads = {"theta1": dW1 + self.reg * W1, "theta2": dW2 + self.reg * W2, "theta3": dW3 + self.reg * W3}
        grads.update(theta1_0=db1, theta2_0=db2, theta3_0=db3)
        return loss, grads
