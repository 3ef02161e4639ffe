"""FLR113: averages of the weights that are evaluated instead of the model."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from engine.facts.kept_weights import averages
from engine.facts.models import belongs, unwrapped
from engine.facts.trace import is_default
from engine.facts.values import Object, Parameters, objects, options
from engine.result import Result
from rules.base import Invalid, ProgramRule
from rules.reading import in_training, outer_loops

if TYPE_CHECKING:
    from engine.facts import Facts
    from engine.facts.trace import Event

LIBRARIES = (
    "torch.optim.swa_utils.AveragedModel", "timm.utils.ModelEma", "timm.utils.model_ema.", "torch_ema.",
    "ema_pytorch.", "diffusers.training_utils.EMAModel", "torch.optim.ASGD", "torch.optim.asgd.ASGD",
    "torchcontrib.optim.SWA", "torch_optimizer.Lookahead", "timm.optim.Lookahead", "timm.optim.lookahead.",
)  # fmt: skip
AVERAGE = re.compile(r"(^|_)ema(_|$)|averaged|swa_model|mean_teacher|shadow", re.IGNORECASE)
AVERAGING_CLASS = re.compile(
    r"(Model|Weight|Param)?(EMA|Ema)(Model|Helper)?$|ExponentialMovingAverage|AveragedModel|^SWA$|^Look[Aa]head$"
)


class AveragedWeights(ProgramRule):
    """
    ## What it does
    Refuses a program that keeps an average of the model's weights beside the model: an exponential moving average, a
    copy or a teacher that trails the model, a dictionary of averages that is worked out by hand, stochastic weight
    averaging, the averages inside `torch.optim.ASGD`, or the slow weights of Lookahead.

    ## Why is this bad
    The average is what such a program evaluates and keeps. It is not in the model's `state_dict`, does not reach the
    server, and restarts from other weights than those received in each round.

    ## Example
    ```python
    ema = AveragedModel(model)
    ...
    optimizer.step()
    ema.update_parameters(model)
    ```

    ## Remedy
    Leave the average out: the server already averages. Or write the client by hand and decide which weights to
    exchange.

    ## Fix safety
    There is no fix: leaving the average out changes what is evaluated.

    ## References
    - Izmailov et al., Averaging Weights Leads to Wider Optima and Better Generalization, 2018
    """

    CODE = "FLR113"
    MESSAGE = "An average of the weights is kept beside the model, and the model's state_dict does not carry it."
    REMEDY = "Leave the average out (the server averages), or write the client by hand and decide what is exchanged."
    VALID = [
        """
        import copy, torch
        from torch import nn
        model = nn.Linear(2, 1)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        best = copy.deepcopy(model.state_dict())
        for epoch in range(3):
            for x in loader:
                model(x).sum().backward()
                optimizer.step()
            best = copy.deepcopy(model.state_dict())
        """,
        """
        import copy, torch
        from torch import nn
        class Momentum(nn.Module):
            def __init__(self):
                super().__init__()
                self.online = nn.Linear(2, 1)
                self.target = copy.deepcopy(self.online)
            def update(self):
                for fast, slow in zip(self.online.parameters(), self.target.parameters()):
                    slow.data.mul_(0.99).add_(fast.data, alpha=0.01)
            def forward(self, x):
                return (self.online(x) - self.target(x).detach()).pow(2)
        model = Momentum()
        optimizer = torch.optim.SGD(model.online.parameters(), lr=0.1)
        for epoch in range(3):
            for x in loader:
                model(x).sum().backward()
                optimizer.step()
                model.update()
        """,
    ]
    INVALID = [
        Invalid(
            """
            import torch
            from torch import nn
            from torch.optim.swa_utils import AveragedModel
            model = nn.Linear(2, 1)
            average = AveragedModel(model)
            optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
            for epoch in range(3):
                for x in loader:
                    model(x).sum().backward()
                    optimizer.step()
                    average.update_parameters(model)
            """
        ),
        Invalid(
            """
            import copy, torch
            from torch import nn
            def update(ema, model):
                for slow, fast in zip(ema.parameters(), model.parameters()):
                    slow.data.mul_(0.99).add_(fast.data, alpha=0.01)
            model = nn.Linear(2, 1)
            ema_model = copy.deepcopy(model)
            optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
            for epoch in range(3):
                for x in loader:
                    model(x).sum().backward()
                    optimizer.step()
                    update(ema_model, model)
            """
        ),
        Invalid(
            """
            import torch
            from torch import nn
            class Lookahead(torch.optim.Optimizer):
                def __init__(self, base):
                    self.base, self.param_groups = base, base.param_groups
                    self.slow = [[p.clone().detach() for p in group["params"]] for group in base.param_groups]
                def step(self):
                    self.base.step()
            model = nn.Linear(2, 1)
            base = torch.optim.SGD(model.parameters(), lr=0.1)
            optimizer = Lookahead(base)
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
            student, teacher = nn.Linear(2, 1), nn.Linear(2, 1)
            optimizer = torch.optim.SGD(student.parameters(), lr=0.1)
            for epoch in range(3):
                for x in loader:
                    (student(x) - teacher(x)).pow(2).sum().backward()
                    optimizer.step()
                    for fast, slow in zip(student.parameters(), teacher.parameters()):
                        slow.data.mul_(0.99).add_(fast.data, alpha=0.01)
            """
        ),
        Invalid(
            """
            import copy, torch
            from torch import nn
            @torch.no_grad()
            def evaluate(model):
                return sum((model(x).argmax(1) == y).sum().item() for x, y in test_loader)
            model = nn.Linear(2, 1)
            smooth = copy.deepcopy(model)
            optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
            for epoch in range(3):
                for x, y in loader:
                    model(x).sum().backward()
                    optimizer.step()
                    live = dict(model.named_parameters())
                    for name, parameter in smooth.named_parameters():
                        parameter.data.lerp_(live[name].data, 0.1)
                print(evaluate(smooth))
            """
        ),
        Invalid(
            """
            import torch
            from torch import nn
            model = nn.Linear(2, 1)
            optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
            average = {name: value.clone() for name, value in model.state_dict().items()}
            for epoch in range(3):
                for x in loader:
                    model(x).sum().backward()
                    optimizer.step()
                for name, value in model.state_dict().items():
                    average[name] = 0.9 * average[name] + 0.1 * value
            model.load_state_dict(average)
            """
        ),
    ]

    @classmethod
    def check(cls, facts: Facts) -> Iterator[Result]:
        """Where the average is built if the epoch loop uses it, or where the loop writes the weights into a copy."""
        seen = set()
        for event in facts.trace.events:
            built = next((value for value in objects(event.result) if value.node is event.node), None)
            kept = built and is_default(event.path) and is_average(event, built)
            if kept and event.place not in seen and used_in_training(facts, built):
                seen.add(event.place)
                yield cls.found(event.scope.file, event.node)
        trailing = next((event for event in facts.trace.named("builtins.zip") if trails(facts, event)), None)
        following = trailing or next(evaluated_copies(facts), None) or next(averages(facts), None)
        if following and not seen:
            yield cls.found(following.scope.file, following.node)


def evaluated_copies(facts: Facts) -> Iterator[Event]:
    """The calls that copy the trained model before the epoch loop, or load weights into another one there, where the
    loop evaluates that one: however it follows the model, it is what is measured and kept."""
    trained = [value for model in facts.models for value in (model.value, *model.alternatives)]
    called = (event for event in facts.trace.named("()") if in_training(facts, event) and not trained_on(facts, event))
    evaluated = [unwrapped(one) for event in called for one in objects(event.receiver)]
    others = [one for one in evaluated if not any(belongs(one, model) for model in trained)]
    for event in facts.trace.named("copy.deepcopy", ".load_state_dict"):
        copies = event.name == "copy.deepcopy"
        of_trained = any(belongs(one, model) for value in event.args[:1] for one in objects(value) for model in trained)
        made = objects(event.result if copies else event.receiver)
        if in_training(facts, event) != copies and (of_trained or not copies) and any(one in others for one in made):
            yield event


def trained_on(facts: Facts, event: Event) -> bool:
    """True for what happens in the loop over the batches that are trained on."""
    outer = [facts.loop.loop.node, *(loop.node for loop in outer_loops(facts))]
    inner = [loop for loop in event.loops if loop.node not in outer]
    steps = [optimizer.step_event for optimizer in facts.optimizers]
    return any(step.within_node(loop.node) for step in steps for loop in inner)


def trails(facts: Facts, event: Event) -> bool:
    """True for ``zip(model.parameters(), other.parameters())`` in training, to write one's weights into the other's."""
    given = [[one for one in options(argument) if isinstance(one, Parameters)] for argument in event.args]
    owners = [[owner for parameters in each for owner in parameters.owners] for each in given]
    pairs = len(owners) == 2 and all(owners) and not any(owner in owners[1] for owner in owners[0])
    trained = [value for model in facts.models for value in (model.value, *model.alternatives)]
    if any(all(belongs(owner, model) for owner in (*owners[0], *owners[1])) for model in trained if pairs):
        return False  # the model's state_dict carries both
    return pairs and in_training(facts, event) and isinstance(event.statement, ast.For) and writes(event.statement)


def writes(loop: ast.For) -> bool:
    """True where the body of a loop changes a tensor in place or gives it other data."""
    nodes = [node for statement in loop.body for node in ast.walk(statement)]
    calls = {node.func.attr for node in nodes if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)}
    assigned = [target for node in nodes if isinstance(node, ast.Assign) for target in node.targets]
    changed = [node.target for node in nodes if isinstance(node, ast.AugAssign)]
    data = any(isinstance(target, ast.Attribute) and target.attr == "data" for target in (*assigned, *changed))
    paired = {node.id for node in ast.walk(loop.target) if isinstance(node, ast.Name)}
    in_place = any(isinstance(target, ast.Name) and target.id in paired for target in changed)
    return bool(calls & {"mul_", "lerp_", "copy_", "add_"}) or data or in_place


def is_average(event: Event, built: Object) -> bool:
    """True for a library's average, a local class called one, and a copy of a model named as one."""
    if event.name.startswith(LIBRARIES):
        return True
    if event.name == "copy.deepcopy":
        return built.is_module and any(AVERAGE.search(name) for name in built.names)
    return built.cls is not None and bool(AVERAGING_CLASS.search(built.cls.name))


def used_in_training(facts: Facts, value: Object) -> bool:
    """True where the epoch loop calls a method of an object or hands it on."""
    return any(
        value in [*objects(event.receiver), *(one for argument in event.args for one in objects(argument))]
        for event in facts.trace.events
        if in_training(facts, event)
    )
