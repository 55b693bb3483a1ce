import numpy as np


def sgd(theta, dtheta, config=None):
    if config is None:
        config = {}
    config.setdefault("learning_rate", 1e-2)
    theta -= config["learning_rate"] * dtheta
    return theta, config


def sgd_momentum(theta, dtheta, config=None):
    if config is None:
        config = {}
    config.setdefault("learning_rate", 1e-2)
    config.setdefault("momentum", 0.9)
    v = config.get("velocity", np.zeros_like(theta))
    v = config["momentum"] * v - config["learning_rate"] * dtheta
    next_theta = theta + v
    config["velocity"] = v
    return next_theta, config


def rmsprop(theta, dtheta, config=None):
    if config is None:
        config = {}
    config.setdefault("learning_rate", 1e-2)
    config.setdefault("decay_rate", 0.99)
    config.setdefault("epsilon", 1e-8)
    config.setdefault("cache", np.zeros_like(theta))
    config["cache"] = config["decay_rate"] * config["cache"] + (1 - config["decay_rate"]) * dtheta ** 2
    next_theta = theta - config["learning_rate"] * dtheta / (np.sqrt(config["cache"]) + config["epsilon"])
    return next_theta, config


def adam(theta, dtheta, config=None):
    if config is None:
        config = {}
    config.setdefault("learning_rate", 1e-3)
    config.setdefault("beta1", 0.9)
    config.setdefault("beta2", 0.999)
    config.setdefault("epsilon", 1e-8)
    config.setdefault("m", np.zeros_like(theta))
    config.setdefault("v", np.zeros_like(theta))
    config.setdefault("t", 0)
    config["t"] += 1
    b1, b2 = config["beta1"], config["beta2"]
    config["m"] = b1 * config["m"] + (1 - b1) * dtheta
    config["v"] = b2 * config["v"] + (1 - b2) * dtheta ** 2
    mt = config["m"] / (1 - b1 ** config["t"])
    vt = config["v"] / (1 - b2 ** config["t"])
    next_theta = theta - config["learning_rate"] * mt / (np.sqrt(vt) + config["epsilon"])
    return next_theta, config
