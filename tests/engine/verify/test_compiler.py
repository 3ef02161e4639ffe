"""torch's compiler is loaded by what uses it, and by nothing else."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
TRAINING = """
import sys
import torch
from engine.verify.compiler import put_off_compiler
from engine.verify.recorder import seed_everything

put_off_compiler()
seed_everything(3)
weight = torch.nn.Parameter(torch.ones(2))
optimizers = [kind([weight], lr=0.5) for kind in (torch.optim.SGD, torch.optim.Adam)]

def step():
    for optimizer in optimizers:
        optimizer.zero_grad()
        weight.sum().backward()
        optimizer.step()

step()
assert abs(weight[0].item()) < 1e-6
assert torch.are_deterministic_algorithms_enabled() and torch.is_deterministic_algorithms_warn_only_enabled()
"""


@pytest.mark.parametrize(
    "use",
    [
        pytest.param("assert not any(name.startswith('torch._dynamo.') for name in sys.modules)", id="training alone"),
        pytest.param(
            """
            import torch._dynamo.config as config
            assert config is torch._dynamo.config is torch._dynamo.eval_frame.config
            """,
            id="a module of it",
        ),
        pytest.param(
            """
            graphs = []
            def count(graph, inputs):
                graphs.append(graph)
                return graph.forward
            def doubled(value):
                return value * 2
            assert torch.compile(doubled, backend=count)(weight).equal(weight * 2)
            assert len(graphs) == 1
            assert torch._dynamo is sys.modules["torch._dynamo"]
            torch.compile(lambda: optimizers[0].zero_grad(), backend="eager")()
            assert weight.grad is None
            step()
            """,
            id="compiled code",
        ),
        pytest.param(
            """
            @torch.compiler.disable(recursive=False)
            def one():
                return 1
            assert one() == 1 and "torch._dynamo.config" in sys.modules
            """,
            id="a decorator of it",
        ),
    ],
)
def test_the_compiler_is_loaded_when_it_is_used(use):
    lines = [line[12:] if line.startswith("            ") else line for line in use.splitlines()]
    script = TRAINING + "\n".join(lines)
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
