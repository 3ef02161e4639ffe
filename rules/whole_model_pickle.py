"""FLR201: a model that is saved whole."""

from __future__ import annotations

import re

from engine.result import Safety
from engine.rewrite import Match, RewriteRule
from rules.base import Invalid, PatternRule

SAVES_A_NAME = re.compile(r"\bsave(\s+as\b|[\s\\]*\((\s|#.*\n)*[\w.\s]+[,)#])")
ONLY_MODULES_HAVE = {"parameters", "named_parameters", "train", "eval", "forward"}


def is_module(match: Match) -> bool:
    """True where the module calls something on ``$model`` that only an ``nn.Module`` has."""
    import libcst as cst

    from engine.tree import dotted

    saved = dotted(match.captures["model"])
    called = {dotted(call.func) for call in match.names.nodes[cst.Call]}
    return saved is not None and any(f"{saved}.{method}" in called for method in ONLY_MODULES_HAVE)


class WholeModelPickle(PatternRule):
    """
    ## What it does
    Finds models that are saved whole with `torch.save(model, path)` instead of their `state_dict`.

    ## Why is this bad
    Such a file is a pickle of the class. It loads only where the same source lies at the same place, never with
    `weights_only=True`, and cannot start a federated job.

    ## Example
    ```python
    torch.save(model, "model.pt")
    ```

    ## Remedy
    Save `model.state_dict()`, and load it with `model.load_state_dict(torch.load(path, weights_only=True))`.

    ## Fix safety
    The fix is unsafe: whatever loads the file has to build the model first.

    ## References
    - [PyTorch: saving and loading models](https://pytorch.org/tutorials/beginner/saving_loading_models.html)
    """

    CODE = "FLR201"
    MESSAGE = "This saves the whole model as a pickle; save its state_dict."
    REMEDY = "Save model.state_dict() and load it with load_state_dict."
    SAFETY = Safety.UNSAFE
    REWRITES = (
        RewriteRule("torch.save($model, $...rest)", "torch.save($model.state_dict(), $...rest)", where=is_module),
    )

    @classmethod
    def may_match(cls, text: str) -> bool:
        """False, too, where only what is called is saved, as most scripts have it: ``model.state_dict()``."""
        return bool(SAVES_A_NAME.search(text)) and super().may_match(text)

    VALID = [
        "import torch\nmodel.eval()\ntorch.save(model.state_dict(), 'model.pt')",
        "import torch\ntorch.save(data, 'data.pt')",
        "import torch\nmodel.train()\ntorch.save({'model': model.state_dict(), 'epoch': 3}, 'model.pt')",
    ]
    INVALID = [
        Invalid(
            "import torch\nmodel.eval()\ntorch.save(model, 'model.pt')",
            expected_replacement="import torch\nmodel.eval()\ntorch.save(model.state_dict(), 'model.pt')",
        ),
        Invalid(
            "from torch import save\nself.net.train()\nsave(self.net, path)  # best",
            expected_replacement="from torch import save\nself.net.train()\nsave(self.net.state_dict(), path)  # best",
        ),
        Invalid(
            "import torch as t\nnet.eval()\nt.save(  # whole\n    net,\n    path)",
            expected_replacement="import torch as t\nnet.eval()\nt.save(  # whole\n    net.state_dict(),\n    path)",
        ),
        Invalid(
            "from torch import save as keep\nnet.eval()\nkeep(net, path)",
            expected_replacement="from torch import save as keep\nnet.eval()\nkeep(net.state_dict(), path)",
        ),
    ]
