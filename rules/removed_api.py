"""FLR306: API that is gone from today's PyTorch and torchvision."""

from __future__ import annotations

from engine.result import Safety
from engine.rewrite import RewriteRule
from rules.base import Invalid, PatternRule

RENAMED = {
    "torchvision.transforms.Scale": "torchvision.transforms.Resize",
    "torchvision.transforms.RandomSizedCrop": "torchvision.transforms.RandomResizedCrop",
}
REMOVED = ("torch.symeig", "torch.lstsq", "torch.gels", "torch.rfft", "torch.irfft", "torch.utils.ffi.create_extension")


class RemovedApi(PatternRule):
    """
    ## What it does
    Warns of functions and classes that were removed from PyTorch and torchvision.

    ## Why is this bad
    The script raises an error with today's versions, by itself and in every site.

    ## Example
    ```python
    transforms.Scale(256)
    ```

    ## Remedy
    Use the present name, here `transforms.Resize(256)`; for linear algebra and Fourier transforms `torch.linalg` and
    `torch.fft`.

    ## Fix safety
    The fix is safe: only names change. What has no equal under another name is reported alone.

    ## References
    - [torchvision transforms](https://pytorch.org/vision/stable/transforms.html)
    """

    CODE = "FLR306"
    MESSAGE = "This name is gone from today's PyTorch or torchvision."
    REMEDY = "Use its present name or successor."
    SAFETY = Safety.SAFE
    REWRITES = (
        *(RewriteRule(f"{old}($...all)", f"{new}($...all)") for old, new in RENAMED.items()),
        *(RewriteRule(f"{name}($...all)") for name in REMOVED),
    )
    VALID = [
        "from torchvision import transforms\nresize = transforms.Resize(256)",
        "class transforms:\n    Scale = int\nscale = transforms.Scale(3)",
    ]
    INVALID = [
        Invalid(
            "from torchvision import transforms\nresize = transforms.Scale(256)  # pixels",
            expected_replacement="from torchvision import transforms\nresize = transforms.Resize(256)  # pixels",
        ),
        Invalid("from torchvision.transforms import Scale\nresize = Scale(256)"),
        Invalid("import torch\nvalues, vectors = torch.symeig(matrix, eigenvectors=True)"),
    ]
