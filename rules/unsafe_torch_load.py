"""FLR202: a file that may run code when it is loaded."""

from __future__ import annotations

from engine.result import Safety
from engine.rewrite import RewriteRule, lacks
from rules.base import Invalid, PatternRule


class UnsafeTorchLoad(PatternRule):
    """
    ## What it does
    Finds `torch.load` without `weights_only=True`.

    ## Why is this bad
    Without it a file is unpickled, and a pickle can run any code. In a federation files come from elsewhere.

    ## Example
    ```python
    state = torch.load("model.pt")
    ```

    ## Remedy
    `torch.load("model.pt", weights_only=True)`. A file that then fails to load holds more than tensors: save a
    `state_dict` instead.

    ## Fix safety
    The fix is safe: it is the default since PyTorch 2.6. An explicit `weights_only=False` is reported and left alone.

    ## References
    - [torch.load](https://pytorch.org/docs/stable/generated/torch.load.html)
    """

    CODE = "FLR202"
    MESSAGE = "torch.load without weights_only=True can run code from the file."
    REMEDY = "Add weights_only=True."
    SAFETY = Safety.SAFE
    REWRITES = (
        RewriteRule(
            "torch.load($path, $...rest)",
            "torch.load($path, $...rest, weights_only=True)",
            where=lacks("weights_only"),
        ),
        RewriteRule("torch.load($path, weights_only=False, $...rest)"),
    )
    VALID = [
        "import torch\ntorch.load('model.pt', weights_only=True)",
        "import torch\ntorch.load('model.pt', **options)",
        "def read(torch):\n    return torch.load('model.pt')",
    ]
    INVALID = [
        Invalid(
            "import torch\nmodel.load_state_dict(torch.load('model.pt'))",
            expected_replacement="import torch\nmodel.load_state_dict(torch.load('model.pt', weights_only=True))",
        ),
        Invalid(
            """
            from torch import load as read
            state = read(
                path,
                map_location="cpu",  # no GPU needed
            )
            """,
            expected_replacement="""
            from torch import load as read
            state = read(
                path,
                map_location="cpu",  # no GPU needed
                weights_only=True,
            )
            """,
        ),
        Invalid("import torch\ntorch.load('model.pt', weights_only=False)"),
    ]
