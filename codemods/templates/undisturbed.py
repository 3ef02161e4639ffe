"""Evaluate a model without disturbing its training."""

import random
from contextlib import contextmanager

import numpy as np
import torch


@contextmanager
def undisturbed(model, *generators):
    """Leave modes, counters, buffers and random streams as they were, whatever happens inside."""
    numbers = [(module, _numbers(module)) for module in model.modules()]
    buffers = {name: buffer.clone() for name, buffer in model.named_buffers()}
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
        with torch.no_grad():
            for name, value in buffers.items():
                model.get_buffer(name).copy_(value)
        torch.set_grad_enabled(gradients)
        for module, attributes in numbers:
            for name, value in attributes.items():
                setattr(module, name, value)


def _numbers(module):
    """The attributes of a module that are numbers or flags: whether it trains, and what it counts."""
    numbers = {name: value for name, value in vars(module).items() if isinstance(value, (bool, int, float))}
    return {"training": module.training, **numbers}
