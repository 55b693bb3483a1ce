"""Benchmarks: training steps and single layers, timed side by side with the frameworks a user would otherwise pick.

Each mode (chainrule, `torch channels-last`, `jax`, ...) runs in a process of its own, and the modes take turns round by
round; quoted are medians, and ratios are taken within a round. That guards against two mistakes: a machine whose speed
drifts flatters whoever ran last, and one framework's threads, memory or imports would disturb another's in one process.
"""
