import numpy as np

from layers import *


class ConvNet(object):
    def __init__(
        self,
        input_dim=(1, 28, 28),
        num_filters=32,
        filter_size=7,
        hidden_dim=100,
        num_classes=10,
        weight_scale=1e-3,
        reg=0.0,
        dtype=np.float32,
    ):
        C, H, W = input_dim
        self.reg = reg
        self.dtype = dtype
        pooled = num_filters * ((H - filter_size + 1) // 2) * ((W - filter_size + 1) // 2)
        self.params = {
            "W1": np.random.normal(0, weight_scale, (num_filters, C, filter_size, filter_size)),
            "W2": np.random.normal(0, weight_scale, (pooled, hidden_dim)),
            "b2": np.zeros(hidden_dim),
            "W3": np.random.normal(0, weight_scale, (hidden_dim, num_classes)),
            "b3": np.zeros(num_classes),
        }
        for k, v in self.params.items():
            self.params[k] = v.astype(dtype)

    def loss(self, X, y=None):
        p = self.params
        a, conv = conv_forward(X, p["W1"])
        a, relu1 = relu_forward(a)
        pooled, pool = max_pool_forward(a, {"pool_height": 2, "pool_width": 2, "stride": 2})
        h, fc1 = fc_forward(pooled.reshape(len(X), -1), p["W2"], p["b2"])
        h, relu2 = relu_forward(h)
        scores, fc2 = fc_forward(h, p["W3"], p["b3"])
        if y is None:
            return scores
        loss, d = softmax_loss(scores, y)
        grads = {}
        d, grads["W3"], grads["b3"] = fc_backward(d, fc2)
        d, grads["W2"], grads["b2"] = fc_backward(relu_backward(d, relu2), fc1)
        d = max_pool_backward(d.reshape(pooled.shape), pool)
        _, grads["W1"] = conv_backward(relu_backward(d, relu1), conv)
        for name in ("W1", "W2", "W3"):
            loss += 0.5 * self.reg * np.sum(p[name] ** 2)
            grads[name] += self.reg * p[name]
        return loss, grads
