import numpy as np

from layers import *


class SoftmaxClassifier(object):
    def __init__(self, input_dim=28 * 28, hidden_dim=100, num_classes=10, weight_scale=1e-3, reg=0.0):
        self.params = {}
        self.reg = reg
        self.hidden_dim = hidden_dim
        sizes = [input_dim, num_classes] if hidden_dim is None else [input_dim, hidden_dim, num_classes]
        for i in range(len(sizes) - 1):
            self.params["W%d" % (i + 1)] = weight_scale * np.random.randn(sizes[i], sizes[i + 1])
            self.params["b%d" % (i + 1)] = np.zeros(sizes[i + 1])

    def loss(self, X, y=None):
        p = self.params
        out, first = fc_forward(X, p["W1"], p["b1"])
        if self.hidden_dim is not None:
            out, relu = relu_forward(out)
            out, second = fc_forward(out, p["W2"], p["b2"])
        if y is None:
            return out
        loss, dout = softmax_loss(out, y)
        grads = {}
        if self.hidden_dim is not None:
            dout, grads["W2"], grads["b2"] = fc_backward(dout, second)
            dout = relu_backward(dout, relu)
        _, grads["W1"], grads["b1"] = fc_backward(dout, first)
        for name in list(grads):
            if name[0] == "W":
                loss += 0.5 * self.reg * np.sum(p[name] ** 2)
                grads[name] += self.reg * p[name]
        return loss, grads
