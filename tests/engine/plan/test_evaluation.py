"""Whether the script's evaluation can be called once more, for the received model."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent, indent

import pytest

from codemods import evaluate_global_model
from engine.plan.evaluation import EvaluationPlan
from tests.codemods.tools import check_converted, plan_of, written

HEAD = """\
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

loader = DataLoader(TensorDataset(torch.ones(8, 2), torch.ones(8, 1)), batch_size=4)
model = nn.Linear(2, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
scheduler = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer)
best, bad = 1e9, 0


class Patience:
    def __init__(self):
        self.best, self.bad, self.is_over = 1e9, 0, False

    def __call__(self, loss):
        self.bad = 0 if loss < self.best else self.bad + 1
        self.best = min(loss, self.best)
        self.is_over = self.bad > 2


patience = Patience()


def validate():
    global best, bad
    model.eval()
    total = 0
    with torch.no_grad():
        for x, y in loader:
            total += nn.functional.mse_loss(model(x), y).item()
    loss = total / len(loader)
    {also}
    return loss


for epoch in range(3):
    model.train()
    for x, y in loader:
        optimizer.zero_grad()
        nn.functional.mse_loss(model(x), y).backward()
        optimizer.step()
    loss = validate()
    {then}
"""


def evaluation(folder: Path, also: str, then: str, head: str = HEAD) -> EvaluationPlan | str:
    """How the received model is evaluated, where the evaluation does something besides; or why it is not."""
    plan = plan_of(written(folder, head.format(also=also, then=then), {}))
    told = [decision.decision for decision in plan.decisions if decision.subject == "metrics"]
    return plan.evaluation or told[0].removeprefix("no metrics are sent: ")


@pytest.mark.parametrize(
    ("also", "then", "reason"),
    [
        ("scheduler.step(loss)", "", "steps the optimizer or the schedule"),
        ("bad = 0 if loss < best else bad + 1; best = min(loss, best)", "if bad > 2: break", "sets bad"),
        ("patience(loss)", "if patience.is_over: break", "sets is_over"),
    ],
)
def test_an_evaluation_that_changes_the_training_is_not_called_once_more(
    also: str, then: str, reason: str, tmp_path: Path
) -> None:
    found = evaluation(tmp_path, also, then)
    assert isinstance(found, str)
    assert f"validate() also {reason}" in found


@pytest.mark.parametrize(
    ("also", "then"),
    [
        ("if loss < best: best = loss; torch.save(model.state_dict(), 'best.pt')", "print('best', best)"),
        ("", "scheduler.step(loss)"),
        ("", "patience(loss)\n    if patience.is_over: break"),
    ],
)
def test_what_changes_nothing_that_training_goes_by_is_in_order(also: str, then: str, tmp_path: Path) -> None:
    found = evaluation(tmp_path, also, then)
    assert isinstance(found, EvaluationPlan)
    assert found.lines == ('metrics = {"loss": float(validate())}',)


def test_the_epochs_number_is_set_for_an_evaluation_that_reads_it(tmp_path: Path) -> None:
    found = evaluation(tmp_path, "print(epoch, loss)", "")
    assert isinstance(found, EvaluationPlan)
    assert found.lines == ("epoch = 0  # validate() reads it", 'metrics = {"loss": float(validate())}')


def test_what_else_the_loop_sets_cannot_be_known_before_it(tmp_path: Path) -> None:
    script = HEAD.replace("    loss = validate()", "    seen = epoch * 8\n    loss = validate()")
    found = evaluation(tmp_path, "print(seen, loss)", "", script)
    assert found == "validate() reads values that only exist while training"


KEPT = """\
def validate():
    model.eval()
    seen = {{}}
    for x, y in loader:
        seen = note(model(x), y, loss=0)
    return seen


def note(pred, y, loss):
    found = {{"loss": loss, "acc": (pred == y).float().mean()}}
    return {{key: found[key] for key in found}}


monitor = "acc"
"""


@pytest.mark.parametrize(
    ("then", "lines"),
    [
        ("print(loss['acc'])", ('metrics = {"accuracy": float(validate()["acc"])}',)),
        ("print(loss[monitor])", ('metrics = {"accuracy": float(validate()["acc"])}',)),
        (
            "print(loss['val_loss'], loss['acc'], loss['time'])",
            (
                "results = validate()",
                'metrics = {"accuracy": float(results["acc"]), "loss": float(results["val_loss"])}',
            ),
        ),
    ],
)
def test_of_a_dictionary_counts_what_the_caller_reads(then: str, lines: tuple[str, ...], tmp_path: Path) -> None:
    head, _, loop = HEAD.partition("def validate():")
    script = head + KEPT + "for epoch" + loop.partition("for epoch")[2]
    found = evaluation(tmp_path, "", then, script)
    assert isinstance(found, EvaluationPlan)
    assert found.lines == lines


def test_a_dictionary_of_which_nothing_is_known_is_no_metric(tmp_path: Path) -> None:
    head, _, loop = HEAD.partition("def validate():")
    script = head + KEPT + "for epoch" + loop.partition("for epoch")[2]
    found = evaluation(tmp_path, "", "print(*loss.items())", script)
    assert found == "the script's evaluation computes no number that could be sent"


STEPS = {
    "steps.py": """\
import torch
from torch import nn


def train_fn(loader, model, optimizer):
    model.train()
    for x, y in loader:
        optimizer.zero_grad()
        nn.functional.mse_loss(model(x), y).backward()
        optimizer.step()


def eval_fn(loader, model):
    model.eval()
    outputs = []
    with torch.no_grad():
        for x, y in loader:
            outputs.append(model(x))
    return outputs


def one_sample(model, x):
    for part in x:
        found = model(part)
    return found


def agree(outputs):
    return 1.0
"""
}
PREDICTS = """\
import steps
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

loader = DataLoader(TensorDataset(torch.ones(8, 2), torch.ones(8, 1)), batch_size=4)
model = nn.Linear(2, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for epoch in range(3):
    steps.train_fn(loader, model, optimizer)
{evaluation}
    print(accuracy)
"""


@pytest.mark.parametrize(
    ("statements", "function"),
    [
        ("outputs = steps.eval_fn(loader, model)\naccuracy = steps.agree(outputs)", "eval_fn"),
        (
            "model.eval()\ntotal = 0.0\nfor x, y in loader:\n    total += steps.one_sample(model, x)\n"
            "accuracy = total / len(loader)",
            None,
        ),
    ],
)
def test_what_the_caller_of_a_prediction_computes_is_computed_for_the_received_model(
    statements: str, function: str | None, tmp_path: Path
) -> None:
    text = PREDICTS.format(evaluation=indent(statements, "    "))
    plan = plan_of(written(tmp_path, text, STEPS))
    assert plan.facts.evaluations[0].function == function
    assert plan.evaluation is not None
    (inserted,) = plan.evaluation.edits
    body = dedent(inserted.text.partition("():\n")[2]).strip()
    assert body == f'{statements}\nreturn {{"accuracy": float(accuracy)}}'


def test_an_evaluation_that_another_method_of_the_trainer_calls() -> None:
    trainer = """\
        import torch
        from torch import nn


        class Trainer:
            def __init__(self, model):
                self.model = model
                self.optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
                self.batches = [torch.ones(4, 2), torch.zeros(4, 2)]

            def validate(self):
                with torch.no_grad():
                    val_loss = sum(self.model(x).pow(2).sum().item() for x in self.batches)
                return val_loss

            def train_epoch(self):
                for number, x in enumerate(self.batches):
                    self.model.train()
                    self.optimizer.zero_grad()
                    self.model(x).pow(2).sum().backward()
                    self.optimizer.step()
                    if number == 1:
                        self.validate()

            def train(self):
        """
    loop = """\
                for epoch in range(3):
                    self.train_epoch()
        """
    rest = """\


        Trainer(nn.Linear(2, 1)).train()
        """
    rounds = """\

                while flare.is_running():
                    with torch.random.fork_rng():  # evaluating leaves the training's random stream alone
                        metrics = {"loss": float(self.validate())}
                    if flare.is_evaluate():
                        flare.send(flare.FLModel(metrics=metrics))
                        continue
        """
    trainer, loop, rounds, rest = (
        "".join(line[8:] if line.strip() else line.lstrip(" ") for line in t.splitlines(True))
        for t in (trainer, loop, rounds, rest)
    )
    check_converted(evaluate_global_model.step, trainer + loop + rest, trainer + rounds + indent(loop, "    ") + rest)


PHASES = """\
import enum

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

loader = DataLoader(TensorDataset(torch.ones(8, 2), torch.ones(8, 1)), batch_size=4)
model = nn.Linear(2, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
waited = 0


class Phase(enum.Enum):
    TRAIN = 0
    VALIDATE = 1
    TEST = 2


def run(phase, loader):
    global waited
    model.train() if phase == Phase.TRAIN else model.eval()
    for x, y in loader:
        loss = nn.functional.mse_loss(model(x), y)
        if phase == Phase.TRAIN:
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        elif phase == Phase.VALIDATE:
            {validated}
        else:
            return loss.item()


for epoch in range(3):
    run(Phase.TRAIN, loader)
    with torch.no_grad():
        try:
            run(Phase.VALIDATE, loader)
        except StopIteration:
            break
print(run(Phase.TEST, loader))
"""
PATIENCE = """
            waited += 1
            if waited > 2:
                raise StopIteration
            return loss.item()
"""


def test_a_phase_that_counts_towards_the_end_is_not_called_once_more(tmp_path: Path) -> None:
    found = plan_of(written(tmp_path, PHASES.format(validated=PATIENCE.strip()), {}))
    told = [one.decision for one in found.decisions if one.subject == "metrics"]
    assert found.evaluation is None and "run() also sets waited, which ends the training" in told[0]


def test_a_phase_that_returns_nothing_is_not_asked_for_a_number(tmp_path: Path) -> None:
    found = plan_of(written(tmp_path, PHASES.format(validated="print(epoch)"), {}))
    assert found.evaluation is None or "VALIDATE" not in "".join(found.evaluation.lines)


def test_the_evaluation_of_most_epochs_is_the_one(tmp_path: Path) -> None:
    head, end = HEAD.split("for epoch in range(3):")
    plot = f"def validate(){head.split('def validate()')[1]}".replace("validate", "plot_validation").format(also="pass")
    choice = "if epoch % 5 == 0:\n        loss = plot_validation()\n    else:\n        loss = validate()"
    script = f"{head}{plot}for epoch in range(3):{end.replace('loss = validate()', choice)}"
    found = evaluation(tmp_path, "", "", script)
    assert isinstance(found, EvaluationPlan)
    assert found.lines == ('metrics = {"loss": float(validate())}',)


def test_a_return_of_nothing_is_told_as_what_it_is(tmp_path: Path) -> None:
    found = evaluation(tmp_path, "print('loss', loss)", "", HEAD.replace("    return loss\n", "    return\n"))
    assert found == "validate() ends early on some paths, so what it computes cannot be returned"


GIVEN = """\
import collections
import dataclasses
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


@dataclasses.dataclass
class Scores:
    loss: float
    accuracy: float


class Meter:
    def __init__(self):
        self.sum = self.count = 0

    def update(self, value):
        self.sum, self.count = self.sum + value, self.count + 1

    @property
    def avg(self):
        return self.sum / self.count


Named = collections.namedtuple("Named", "loss accuracy")
data = TensorDataset(torch.ones(8, 2), torch.ones(8).long())
train_loader, val_loader = DataLoader(data, batch_size=4), DataLoader(data, batch_size=2)
model = nn.Linear(2, 2)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)


def summarize(loss, correct, n):
    return loss / n, correct / n


def evaluate(loader):
    model.eval()
    loss, correct, n, meter = 0.0, 0, 0, Meter()
    with torch.no_grad():
        for x, y in loader:
            loss += nn.functional.cross_entropy(model(x), y).item()
            correct += (model(x).argmax(1) == y).sum().item()
            meter.update((model(x).argmax(1) == y).float().mean().item())
            n += len(y)
    return RETURNED


for epoch in range(3):
    model.train()
    for x, y in train_loader:
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(x), y).backward()
        optimizer.step()
    CALLED
"""


def lines_of(folder: Path, returned: str, called: str) -> tuple[str, ...]:
    """The statements that measure the received model, or what a function does that computes it."""
    text = GIVEN.replace("RETURNED", returned).replace("CALLED", called)
    found = plan_of(written(folder, text, {})).evaluation
    assert found is not None
    (*_, last) = found.edits[0].text.strip().splitlines() if found.edits else ("",)
    return found.lines if not last else (last.strip(),)


BOTH = 'metrics = {"accuracy": float(results[1]), "loss": float(results[0])}'


@pytest.mark.parametrize(
    ("returned", "called", "line"),
    [
        (
            "Scores(loss / n, correct / n)",
            "res = evaluate(val_loader); print(res.loss, res.accuracy)",
            'metrics = {"accuracy": float(results.accuracy), "loss": float(results.loss)}',
        ),
        (
            "Named(loss / n, correct / n)",
            "res = evaluate(val_loader); print(res.accuracy)",
            'metrics = {"accuracy": float(results.accuracy)}',
        ),
        ("Named(loss / n, correct / n)", "val_loss, val_acc = evaluate(val_loader); print(val_acc)", BOTH),
        ("summarize(loss, correct, n)", "val_loss, val_acc = evaluate(val_loader); print(val_acc)", BOTH),
        (
            "loss / n, meter",
            "val_loss, acc = evaluate(val_loader); print(val_loss, acc.avg)",
            'metrics = {"loss": float(evaluate(val_loader)[0])}',
        ),
        (
            "meter",
            "accuracy = evaluate(val_loader); print('accuracy', accuracy.avg)",
            'return {"accuracy": float(accuracy.avg)}',
        ),
        (
            "{'accuracy': meter}",
            "res = evaluate(val_loader); print(res['accuracy'].avg)",
            "return {\"accuracy\": float(res['accuracy'].avg)}",
        ),
        (
            "correct, n",
            "correct, n = evaluate(val_loader); print('accuracy', correct / n)",
            'return {"accuracy": float(correct / n)}',
        ),
    ],
)
def test_of_what_is_no_number_counts_what_the_caller_makes_of_it(
    returned: str, called: str, line: str, tmp_path: Path
) -> None:
    assert lines_of(tmp_path, returned, called)[-1] == line


@pytest.mark.parametrize(
    ("called", "loader"),
    [
        ("train_acc = evaluate(train_loader); val_acc = evaluate(val_loader); print(train_acc, val_acc)", "val_loader"),
        ("a = evaluate(train_loader); b = evaluate(DataLoader(data)); print(a, b)", "DataLoader(data)"),
        ("print(evaluate(test_loader), evaluate(val_loader))", "val_loader"),
        ("print(evaluate(train_loader))\nprint(evaluate(val_loader))", "val_loader"),
        ("print(evaluate(train_loader))", "train_loader"),
    ],
)
def test_the_received_model_is_measured_on_other_data_than_the_trainings_where_there_is(
    called: str, loader: str, tmp_path: Path
) -> None:
    called = called.replace("print(evaluate(test", "test_loader = val_loader; print(evaluate(test")
    assert f"float(evaluate({loader}))" in lines_of(tmp_path, "correct / n", called)[-1]


def test_an_evaluation_that_is_one_expression(tmp_path: Path) -> None:
    head, _, rest = GIVEN.partition("def evaluate(loader):")
    own = """\
def rate(net, loader):
    net.eval()
    return sum((net(x).argmax(1) == y).sum().item() for x, y in loader) / len(loader.dataset)


"""
    text = head + own + "for epoch" + rest.partition("for epoch")[2]
    called = "train_acc = rate(model, train_loader); val_acc = rate(model, val_loader); print(train_acc, val_acc)"
    found = plan_of(written(tmp_path, text.replace("CALLED", called), {})).evaluation
    assert found is not None
    assert found.lines == ('metrics = {"accuracy": float(rate(model, val_loader))}',)
