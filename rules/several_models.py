"""FLR108: several models that are optimised side by side."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from engine.result import Result
from rules.base import Invalid, ProgramRule
from rules.trainable_loss import is_loss

if TYPE_CHECKING:
    from engine.facts import Facts


class SeveralModels(ProgramRule):
    """
    ## What it does
    Refuses a program whose optimizers train two or more models that no one module owns: the generator and the
    discriminator of a GAN, or an encoder and a decoder that are built apart.

    ## Why is this bad
    A round exchanges the state of one model. The others would silently stay local and drift apart between the sites.

    ## Example
    ```python
    optimizer = torch.optim.Adam(list(encoder.parameters()) + list(decoder.parameters()))
    ```

    ## Remedy
    Make them parts of one `nn.Module` (`class Captioner(nn.Module)` with `self.encoder` and `self.decoder`), build
    that, and train its parameters. For a GAN decide first which of the two networks the sites are to share.

    ## Fix safety
    There is no fix: what belongs together is the author's decision.

    ## References
    - Goodfellow et al., Generative Adversarial Nets, 2014
    """

    CODE = "FLR108"
    MESSAGE = "Several models are trained side by side and no one module owns them all."
    REMEDY = "Make them parts of one nn.Module, build that one, and give its parameters to the optimizer."
    VALID = [
        """
        import torch
        from torch import nn
        class Both(nn.Module):
            def __init__(self):
                super().__init__()
                self.encoder = nn.Linear(4, 2)
                self.decoder = nn.Linear(2, 4)
        model = Both()
        optimizer = torch.optim.Adam(
            [{"params": model.encoder.parameters(), "lr": 0.1}, {"params": model.decoder.parameters()}]
        )
        for epoch in range(3):
            for x in loader:
                model(x).sum().backward()
                optimizer.step()
        """
    ]
    INVALID = [
        Invalid(
            """
            import torch
            from torch import nn
            encoder = nn.Linear(4, 2)
            decoder = nn.Linear(2, 4)
            optimizer = torch.optim.Adam(list(encoder.parameters()) + list(decoder.parameters()))
            for epoch in range(3):
                for x in loader:
                    decoder(encoder(x)).sum().backward()
                    optimizer.step()
            """
        ),
        Invalid(
            """
            import torch
            from torch import nn
            generator, discriminator = nn.Linear(4, 2), nn.Linear(2, 1)
            optimizer_g = torch.optim.Adam(generator.parameters())
            optimizer_d = torch.optim.Adam(discriminator.parameters())
            for epoch in range(3):
                for real in loader:
                    generator_loss(discriminator(generator(noise))).backward()
                    optimizer_g.step()
                    discriminator_loss(discriminator(real)).backward()
                    optimizer_d.step()
            """
        ),
    ]

    @classmethod
    def check(cls, facts: Facts) -> Iterator[Result]:
        """The second model whose parameters are stepped in the epoch loop."""
        models = {model.variable or model.construction: model for model in facts.models if not is_loss(model)}
        if len(models) > 1:
            names = ", ".join(f"`{model.variable}`" for model in models.values())
            message = f"Several models are trained side by side ({names}) and no one module owns them all."
            second = list(models.values())[1].construction
            yield cls.found(second.scope.file, second.node, message)
