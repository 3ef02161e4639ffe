"""FLR124: layers that the training uses and the model does not hold."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from engine.result import Result
from rules.base import Invalid, ProgramRule
from rules.modules_in_plain_container import ModulesInPlainContainer

if TYPE_CHECKING:
    from engine.facts import Facts


class LayersBesideModel(ProgramRule):
    """
    ## What it does
    Refuses a program that computes with layers which the trained model does not hold: those in a closure or a
    `functools.partial`, of an object that is no module, of the class instead of the instance, in a variable of the
    program, or built anew on every call.

    ## Why is this bad
    Such layers are in no `parameters()` and no `state_dict` of the model. They keep the random weights that they were
    built with, which differ from site to site, and the model that the job leaves behind would lack them.

    Layers whose weights the program loads, and those of a library's model that comes with weights, are the same
    everywhere: a teacher, or a fixed encoder.

    ## Example
    ```python
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.body = nn.Linear(64, 32)
            head = nn.Linear(32, 10)
            self.head = lambda x: head(x.relu())
    ```

    ## Remedy
    Make it a part of the model: assign it to an attribute in the model's constructor (`self.head = nn.Linear(32, 10)`),
    and call that in `forward`. Then it is trained with the model, saved and sent.

    ## Fix safety
    There is no fix: a layer that joins `parameters()` is trained, which changes what the program computes.
    """

    CODE = "FLR124"
    MESSAGE = "The training computes with these layers, and the model does not hold them: its state_dict lacks them."
    REMEDY = "Make them a part of the model: self.NAME = ... in its constructor, and self.NAME(x) in forward."
    VALID = [
        """
        import copy
        from functools import partial
        import torch
        from torch import nn
        from torchvision.models import resnet18
        def through(layer, x):
            return layer(x)
        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                self.body, self.head, self.more = nn.Linear(2, 4), nn.Linear(4, 3), nn.ModuleList()
                self.more.append(nn.Linear(3, 3))
                self.add_module("last", nn.utils.weight_norm(nn.Linear(3, 3)))
                self.through, self.act = partial(through, self.head), nn.ReLU()
                self.shortcut = lambda x: self.more[0](x)
            def forward(self, x):
                return self.last(self.shortcut(self.through(relu(self.body(x)))))
        class Edges(nn.Module):
            def __init__(self):
                super().__init__()
                self.filter = nn.Conv2d(1, 1, 3, bias=False)
                self.filter.weight.data = torch.ones(1, 1, 3, 3)
            def forward(self, x):
                return self.filter(x)
        relu, encoder, teacher, edges = nn.ReLU(), resnet18(weights="DEFAULT"), Net(), Edges()
        teacher.load_state_dict(torch.load("teacher.pt"))
        model = Net()
        first = copy.deepcopy(model)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        for epoch in range(3):
            for x in loader:
                out = model(encoder(edges(x)))
                (out - teacher(x) - first(x)).sum().backward()
                optimizer.step()
        """
    ]
    INVALID = [
        Invalid(
            """
            import torch
            from torch import nn
            class Net(nn.Module):
                def __init__(self):
                    super().__init__()
                    self.body = nn.Linear(64, 32)
                    head = nn.Linear(32, 10)
                    self.head = lambda x: head(x.relu())
                def forward(self, x):
                    return self.head(self.body(x))
            model = Net()
            optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
            for epoch in range(3):
                for x in loader:
                    model(x).sum().backward()
                    optimizer.step()
            """
        ),
        Invalid(
            """
            import torch
            from torch import nn
            encoder = nn.Sequential(nn.Linear(64, 64), nn.Tanh()).requires_grad_(False)
            model = nn.Linear(64, 10)
            optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
            for epoch in range(3):
                for x in loader:
                    model(encoder(x)).sum().backward()
                    optimizer.step()
            """
        ),
        Invalid(
            """
            from functools import partial
            import torch
            from torch import nn
            def through(x, layer):
                return layer(x)
            class Net(nn.Module):
                def __init__(self):
                    super().__init__()
                    self.body = nn.Linear(64, 32)
                    self.head = partial(through, layer=nn.Linear(32, 10))
                def forward(self, x):
                    return self.head(self.body(x))
            model = Net()
            optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
            for epoch in range(3):
                for x in loader:
                    model(x).sum().backward()
                    optimizer.step()
            """
        ),
    ]

    @classmethod
    def check(cls, facts: Facts) -> Iterator[Result]:
        """Where such layers are built; those in plain containers are for FLR112 to tell."""
        told = list(ModulesInPlainContainer.check(facts)) if facts.loose_layers else []
        for layer in facts.loose_layers:
            inside = (one.place.file == layer.place.file and one.place <= layer.place <= one.end for one in told)
            if not any(inside):
                yield cls.found(layer.scope.file, layer.node)
