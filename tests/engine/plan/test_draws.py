"""What is drawn at random without a seed is not split between the sites of a simulation."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent

import pytest

from engine.plan import Plan
from tests.codemods.tools import plan_of, written

SCRIPT = """\
import random
import numpy as np
import torch
from sklearn.model_selection import train_test_split
from torch import nn
from torch.utils.data import DataLoader, TensorDataset, random_split

x, y = torch.ones(40, 2), torch.ones(40, 1)
data = TensorDataset(x, y)
{statements}
loader = DataLoader(part, batch_size=8, shuffle=True)
model = nn.Linear(2, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for epoch in range(2):
    for inputs, labels in loader:
        optimizer.zero_grad()
        nn.functional.mse_loss(model(inputs), labels).backward()
        optimizer.step()
"""
SPLIT = "part, rest = random_split(data, [30, 10])"
ARRAYS = "a, b, c, d = train_test_split(x, y{options})\npart = TensorDataset(a, c)"
ORDER = "order = np.random.permutation(40)\npart = TensorDataset(x[order], y[order])"


def planned(folder: Path, statements: str) -> Plan:
    return plan_of(written(folder, SCRIPT.format(statements=dedent(statements)), {}))


OTHER_DRAWS = {
    "a generator": "order = np.random.default_rng({seed}).permutation(40)",
    "an old generator": "rng = np.random.RandomState({seed})\norder = rng.permutation(40)",
    "a generator of Python": "order = list(range(40))\nrandom.Random({seed}).shuffle(order)",
    "the rows of a frame": "order = pd.read_csv('rows.csv').sample(frac=0.5, random_state={seed}).row.values",
    "two lists at once": "x, y = shuffle(x, y, random_state={seed})\norder = slice(0, 20)",
    "a splitter": "order, _ = next(ShuffleSplit(1, random_state={seed}).split(x))",
    "folds": "order, _ = next(KFold(5, shuffle=True, random_state={seed}).split(x))",
    "a mask": "np.random.seed({seed})\norder = np.random.rand(40) < 0.8",
    "a seed of one library": "torch.manual_seed({seed})\ntorch.cuda.manual_seed_all(0)\norder = torch.randperm(40)",
    "a function that seeds": "def set_seed(n):\n    random.seed(n)\n    np.random.seed({seed})\n\n"
    "set_seed(0)\norder = np.random.permutation(40)",
    "the clock": "np.random.seed({seed} or int(time.time()))\norder = np.random.permutation(40)",
}
MORE_IMPORTS = (
    "import time\nimport pandas as pd\nfrom sklearn.model_selection import KFold, ShuffleSplit\n"
    "from sklearn.utils import shuffle\n"
)


@pytest.mark.parametrize("draw", OTHER_DRAWS.values(), ids=OTHER_DRAWS.keys())
def test_every_draw_needs_a_seed(tmp_path: Path, draw: str) -> None:
    script = MORE_IMPORTS + SCRIPT.replace("{statements}", f"{draw}\npart = TensorDataset(x[order], y[order])")
    assert plan_of(written(tmp_path / "without", script.replace("{seed}", "None"), {})).partition is None
    assert plan_of(written(tmp_path / "with", script.replace("{seed}", "7"), {})).partition is not None


def test_what_a_model_draws_for_itself_is_no_data(tmp_path: Path) -> None:
    layer = """\
        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                self.weight = nn.Parameter(torch.randn(2, 1))

            def forward(self, x):
                return x @ self.weight

        net = Net()
        part = data
        """
    assert planned(tmp_path, layer).partition is not None


def test_arrays_are_drawn_before_their_loop(tmp_path: Path) -> None:
    script = """\
        import numpy as np

        rows = np.loadtxt("rows.csv", delimiter=",")
        {draw}
        x, y = rows[:, :-1], rows[:, -1]
        w = np.random.randn(3)
        for epoch in range(10):
            w -= 0.1 * x.T @ (x @ w - y) / len(x)
        """
    for draw, split in (("np.random.shuffle(rows)", False), ("np.random.seed(0)\nnp.random.shuffle(rows)", True)):
        text = dedent(script).replace("{draw}", draw)
        assert (plan_of(written(tmp_path / str(split), text, {})).partition is not None) == split


@pytest.mark.parametrize(
    "statements",
    [SPLIT, ARRAYS.format(options=""), ORDER, f"torch.manual_seed(0)\n{ORDER}", f"np.random.seed(0)\n{SPLIT}"],
)
def test_without_a_seed_every_site_keeps_all(tmp_path: Path, statements: str) -> None:
    plan = planned(tmp_path, statements)
    assert plan.partition is None
    (decision,) = [one for one in plan.decisions if one.subject == "simulation data"]
    assert "every site of a simulation trains on all of the training data: " in decision.decision
    assert "draws it at random without a seed" in decision.decision
    assert "make where the data lies an argument" in decision.otherwise


def test_sites_with_data_of_their_own_are_named_by_the_option_of_the_script(tmp_path: Path) -> None:
    text = SCRIPT.replace("x, y = torch.ones(40, 2), torch.ones(40, 1)", 'x, y = torch.load("data/points.pt")')
    plan = plan_of(written(tmp_path, text.format(statements=SPLIT), {}))
    (decision,) = [one for one in plan.decisions if one.subject == "simulation data"]
    assert "`job FOLDER --site site-a:data_path=/data/a`" in decision.otherwise


@pytest.mark.parametrize(
    "statements",
    [
        "part = data",
        f"torch.manual_seed(0)\n{SPLIT}",
        SPLIT.replace("10])", "10], torch.Generator().manual_seed(0))"),
        SPLIT.replace("10])", "10], generator=torch.Generator().manual_seed(0))"),
        ARRAYS.format(options=", random_state=0"),
        ARRAYS.format(options=", shuffle=False"),
        f"np.random.seed(0)\n{ORDER}",
        f"def set_seed(n):\n    np.random.seed(n)\nset_seed(0)\n{ORDER}",
    ],
)
def test_with_a_seed_it_is_split(tmp_path: Path, statements: str) -> None:
    assert planned(tmp_path, statements).partition is not None


SHUFFLED = """\
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

data = TensorDataset(torch.ones(40, 2), torch.ones(40, 1))


def loaders():
    g = torch.Generator().manual_seed(0)
    return DataLoader(data, 8, shuffle=True, generator=g), DataLoader(data, 8, generator={given})


def test(model, loader):
    model.eval()
    with torch.no_grad():
        loss = sum(nn.functional.mse_loss(model(x), y).item() for x, y in loader) / len(loader)
    print(f"loss {{loss}}")
    return loss


{built}
model = nn.Linear(2, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for epoch in range(2):
    model.train()
    for inputs, labels in train:
        optimizer.zero_grad()
        nn.functional.mse_loss(model(inputs), labels).backward()
        optimizer.step()
    test(model, held)
"""
WITH_NAME = "g = torch.Generator()\ntrain = DataLoader(data, 8, generator=g)\nheld = DataLoader(data, 8, generator=g)"
OF_A_LOADER = "train, held = loaders()"


@pytest.mark.parametrize(
    ("built", "given", "kept"),
    [
        (WITH_NAME, "g", ("g",)),
        (OF_A_LOADER, "g", ("train.generator",)),
        (OF_A_LOADER, "None", ()),
        (WITH_NAME.replace("8, generator=g)\nheld", "8)\nheld"), "g", ()),
    ],
)
def test_a_generator_that_shuffles_for_both_is_kept(tmp_path: Path, built: str, given: str, kept: tuple) -> None:
    plan = plan_of(written(tmp_path, SHUFFLED.format(built=built, given=given), {}))
    assert plan.evaluation is not None
    assert plan.evaluation.generators == kept
    assert plan.evaluation.guarded is bool(kept)


def test_an_evaluation_that_would_move_a_generator_without_a_name_is_not_called(tmp_path: Path) -> None:
    script = SHUFFLED.format(built="both = loaders()", given="g").replace("in train:", "in both[0]:")
    plan = plan_of(written(tmp_path, script.replace("held)", "both[1])"), {}))
    assert plan.evaluation is None
    (decision,) = [one for one in plan.decisions if one.subject == "metrics"]
    assert "the generator that shuffles the training data" in decision.decision


TRANSFORMED = """\
import torch
from monai.data import CacheDataset, DataLoader
from monai.transforms import Compose, LoadImaged, {transform}
from torch import nn

both = Compose([LoadImaged(keys=["image"]), {transform}(keys=["image"])])
own = Compose([LoadImaged(keys=["image"])])
train_loader = DataLoader(CacheDataset(data=files, transform=both), batch_size=8, shuffle=True)
test_loader = DataLoader(CacheDataset(data=others, transform={evaluated}), batch_size=8)
model = nn.Linear(2, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)


def evaluate():
    model.eval()
    correct = 0
    with torch.no_grad():
        for batch in test_loader:
            correct += (model(batch["image"]).argmax(1) == batch["label"]).sum().item()
    accuracy = correct / len(test_loader.dataset)
    print("accuracy", accuracy)
    return accuracy


for epoch in range(2):
    for batch in train_loader:
        optimizer.zero_grad()
        model(batch["image"]).sum().backward()
        optimizer.step()
    evaluate()
"""


@pytest.mark.parametrize(
    ("transform", "evaluated", "reason"),
    [
        ("RandFlipd", "both", "draws for the training data, too"),
        ("RandFlipd", "own", None),
        ("Flipd", "both", None),
    ],
)
def test_a_transform_that_draws_for_the_training_and_for_the_evaluation(
    tmp_path: Path, transform: str, evaluated: str, reason: str | None
) -> None:
    plan = plan_of(written(tmp_path, TRANSFORMED.format(transform=transform, evaluated=evaluated), {}))
    told = [one.decision for one in plan.decisions if one.subject == "metrics"]
    assert (plan.evaluation is None) == bool(reason)
    assert [reason in one for one in told] == ([True] if reason else [])


@pytest.mark.parametrize(
    ("looks", "reason"),
    [
        ("first(check_loader)", None),
        ("monai.utils.misc.first(check_loader)", None),
        ("first(check_loader)\nfor batch in check_loader: print(batch)", "draws for the training data, too"),
        ("first(check_loader)\nprint(list(check_loader))", "draws for the training data, too"),
    ],
)
def test_a_transform_that_draws_for_the_training_and_for_a_look_at_it(
    tmp_path: Path, looks: str, reason: str | None
) -> None:
    script = TRANSFORMED.format(transform="RandFlipd", evaluated="own")
    check = f"check_loader = DataLoader(CacheDataset(data=files, transform=both), batch_size=2)\n{looks}"
    script = script.replace("model = nn", f"import monai\nfrom monai.utils import first\n{check}\nmodel = nn")
    plan = plan_of(written(tmp_path, script, {}))
    told = [one.decision for one in plan.decisions if one.subject == "metrics"]
    assert (plan.evaluation is None) == bool(reason)
    assert [reason in one for one in told] == ([True] if reason else [])
