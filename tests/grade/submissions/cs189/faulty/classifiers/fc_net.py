import numpy as np

from layers import *


class FullyConnectedNet(object):
    def __init__(self, input_dim, hidden_dim=[10, 5], num_classes=8, weight_scale=0.1):
        self.params = {}
        self.dims = [input_dim] + hidden_dim + [num_classes]
        for i in range(1, len(self.dims)):
            self.params["W" + str(i)] = weight_scale * np.random.randn(self.dims[i - 1], self.dims[i])
            self.params["b" + str(i)] = np.zeros(self.dims[i])

    def loss(self, X, y=None):
        n = len(self.dims) - 1
        out, caches = X, []
        for i in range(1, n + 1):
            out, fc = affine_forward(out, self.params["W" + str(i)], self.params["b" + str(i)])
            relu = None
            if True:
                out, relu = relu_forward(out)
            caches.append((fc, relu))
        if y is None:
            return out
        loss, dout = softmax_loss(out, y)
        grads = {}
        for i in range(n, 0, -1):
            fc, relu = caches[i - 1]
            if relu is not None:
                dout = relu_backward(dout, relu)
            dout, grads["W" + str(i)], grads["b" + str(i)] = affine_backward(dout, fc)
        reg = 0.01
        for i in range(1, n + 1):
            loss += reg * np.sum(self.params["W" + str(i)] ** 2)
            grads["W" + str(i)] += reg * self.params["W" + str(i)]
        return loss, grads
