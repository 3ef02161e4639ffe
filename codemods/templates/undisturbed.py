"""Evaluate a model without disturbing its training."""

import random
from contextlib import contextmanager

import numpy as np
import torch


@contextmanager
def undisturbed(model, *generators):
    """Leave training modes, gradient mode and random streams as they were, whatever happens inside."""
    modes = [(module, module.training) for module in model.modules()]
    gradients = torch.is_grad_enabled()
    streams = [(generator, generator.get_state()) for generator in generators]
    python_state, numpy_state = random.getstate(), np.random.get_state()
    try:
        with torch.random.fork_rng():
            yield
    finally:
        random.setstate(python_state)
        np.random.set_state(numpy_state)
        for generator, state in streams:
            generator.set_state(state)
        torch.set_grad_enabled(gradients)
        for module, training in modes:
            module.training = training
