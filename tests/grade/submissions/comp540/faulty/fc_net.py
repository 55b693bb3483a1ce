from builtins import object, range

import numpy as np

from layer_utils import *
from layers import *


class TwoLayerNet(object):
    def __init__(self, input_dim=3 * 32 * 32, hidden_dim=100, num_classes=10, weight_scale=1e-3, reg=0.0):
        self.params = {}
        self.reg = reg
        self.params["theta1"] = weight_scale * np.random.randn(input_dim, hidden_dim)
        self.params["theta1_0"] = np.zeros(hidden_dim)
        self.params["theta2"] = weight_scale * np.random.randn(hidden_dim, num_classes)
        self.params["theta2_0"] = np.zeros(num_classes)

    def loss(self, X, y=None):
        W1, b1, W2, b2 = (self.params[k] for k in ("theta1", "theta1_0", "theta2", "theta2_0"))
        h, cache1 = affine_relu_forward(X, W1, b1)
        scores, cache2 = affine_forward(h, W2, b2)
        if y is None:
            return scores
        loss, dscores = softmax_loss(scores, y)
        loss += 0.5 * self.reg * (np.sum(W1 * W1) + np.sum(W2 * W2))
        dh, dW2, db2 = affine_backward(dscores, cache2)
        _, dW1, db1 = affine_relu_backward(dh, cache1)
        return loss, {"theta1": dW1 + self.reg * W1, "theta1_0": db1, "theta2": dW2 + self.reg * W2, "theta2_0": db2}


class FullyConnectedNet(object):
    def __init__(
        self,
        hidden_dims,
        input_dim=3 * 32 * 32,
        num_classes=10,
        dropout=0,
        reg=0.0,
        weight_scale=1e-2,
        dtype=np.float32,
        seed=None,
    ):
        self.use_dropout = dropout > 0
        self.reg = reg
        self.num_layers = 1 + len(hidden_dims)
        self.dtype = dtype
        self.params = {}
        sizes = [input_dim] + hidden_dims + [num_classes]
        for i in range(self.num_layers):
            self.params["theta%d" % (i + 1)] = np.random.normal(0, weight_scale, (sizes[i], sizes[i + 1]))
            self.params["theta%d_0" % (i + 1)] = np.zeros(sizes[i + 1])
        self.dropout_param = {}
        if self.use_dropout:
            self.dropout_param = {"mode": "train", "p": dropout}
            if seed is not None:
                self.dropout_param["seed"] = seed
        for k, v in self.params.items():
            self.params[k] = v.astype(dtype)

    def loss(self, X, y=None):
        X = X.astype(self.dtype)
        mode = "test" if y is None else "train"
        if self.use_dropout:
            self.dropout_param["mode"] = mode
        p = self.params
        out, caches = X, []
        for i in range(1, self.num_layers):
            out, fc = affine_forward(out, p["theta%d" % i], p["theta%d_0" % i])
            drop = None
            out, relu = relu_forward(out)
            if self.use_dropout:
                out, drop = dropout_forward(out, self.dropout_param)
            caches.append((fc, relu, drop))
        L = self.num_layers
        scores, last = affine_forward(out, p["theta%d" % L], p["theta%d_0" % L])
        if mode == "test":
            return scores
        grads = {}
        loss, dout = softmax_loss(scores, y)
        dout, grads["theta%d" % L], grads["theta%d_0" % L] = affine_backward(dout, last)
        for i in range(L - 1, 0, -1):
            fc, relu, drop = caches[i - 1]
            if self.use_dropout:
                dout = dropout_backward(dout, drop)
            dout = relu_backward(dout, relu)
            dout, grads["theta%d" % i], grads["theta%d_0" % i] = affine_backward(dout, fc)
        for i in range(1, L + 1):
            W = p["theta%d" % i]
            grads["theta%d" % i] += self.reg * W
        return loss, grads
