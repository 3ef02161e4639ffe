"""The statements that the metrics of an inline evaluation depend on, without those of the training beside it."""

from __future__ import annotations

from functools import partial
from textwrap import dedent, indent

from codemods import evaluate_global_model
from tests.codemods import tools

check_converted = partial(tools.check_converted, evaluate_global_model.step)


def test_what_the_training_did_under_the_same_names_is_left_out() -> None:
    training = """\
        for epoch in range(3):
            model.train(True)
            total = 0
            count = 0
            for x, y in loader:
                optimizer.zero_grad()
                loss = nn.functional.mse_loss(model(x), y)
                loss.backward()
                optimizer.step()
                total += loss.item()
                count += 1
            total = total / count
            model.train(False)
            total = 0
            count = 0
            for x, y in loader:
                total += (model(x) - y).abs().mean().item()
                count += 1
            val_loss = total / count
            print(f"loss {val_loss:.3f}")
        """
    head = """\
        import torch
        from torch import nn
        from torch.utils.data import DataLoader, TensorDataset

        loader = DataLoader(TensorDataset(torch.ones(8, 2), torch.ones(8, 1)), batch_size=4)
        model = nn.Linear(2, 1)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        """
    evaluation = """\


        # the evaluation of the loop below, for the received model
        def evaluate():
            model.train(False)
            total = 0
            count = 0
            for x, y in loader:
                total += (model(x) - y).abs().mean().item()
                count += 1
            val_loss = total / count
            return {"loss": float(val_loss)}


        while flare.is_running():
            with undisturbed(model):
                metrics = evaluate()
            if flare.is_evaluate():
                flare.send(flare.FLModel(metrics=metrics))
                continue
        """
    head, training, evaluation = map(dedent, (head, training, evaluation))
    after = head.replace("TensorDataset\n\n", "TensorDataset\n\nfrom undisturbed import undisturbed\n\n", 1)
    check_converted(head + training, after + evaluation + indent(training, "    "))


def test_a_number_of_the_training_is_not_the_evaluations() -> None:
    training = """\
        for epoch in range(3):
            model.train()
            correct = 0
            for x, y in loader:
                optimizer.zero_grad()
                output = model(x)
                nn.functional.mse_loss(output, y).backward()
                optimizer.step()
                correct += (output.round() == y).sum().item()
            train_accuracy = correct / len(data)
            model.eval()
            correct = 0
            for x, y in loader:
                with torch.no_grad():
                    correct += (model(x).round() == y).sum().item()
            print(f"train {train_accuracy:.3f} test {100. * correct / len(data):.2f}%")
        """
    head = """\
        import torch
        from torch import nn
        from torch.utils.data import DataLoader, TensorDataset

        data = TensorDataset(torch.ones(8, 2), torch.ones(8, 1))
        loader = DataLoader(data, batch_size=4)
        model = nn.Linear(2, 1)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        """
    evaluation = """\


        # the evaluation of the loop below, for the received model
        def evaluate():
            model.eval()
            correct = 0
            for x, y in loader:
                with torch.no_grad():
                    correct += (model(x).round() == y).sum().item()
            return {"accuracy": float(100.0 * correct / len(data))}


        while flare.is_running():
            with torch.random.fork_rng():  # evaluating leaves the training's random stream alone
                metrics = evaluate()
            if flare.is_evaluate():
                flare.send(flare.FLModel(metrics=metrics))
                continue
        """
    head, training, evaluation = map(dedent, (head, training, evaluation))
    check_converted(head + training, head + evaluation + indent(training, "    "))


def test_what_the_training_has_counted_cannot_be_measured_before_it() -> None:
    check_converted(
        """\
        import torch
        from torch import nn
        from torch.utils.data import DataLoader, TensorDataset

        loader = DataLoader(TensorDataset(torch.ones(8, 2), torch.ones(8, 1)), batch_size=4)
        model = nn.Linear(2, 1)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        for epoch in range(3):
            losses = []
            for x, y in loader:
                optimizer.zero_grad()
                loss = nn.functional.mse_loss(model(x), y)
                loss.backward()
                optimizer.step()
                losses.append(loss.item())
            model.eval()
            for x, y in loader:
                with torch.no_grad():
                    losses.append(nn.functional.mse_loss(model(x), y).item())
            mean_loss = sum(losses) / len(losses)
            print("loss", mean_loss)
        """,
        """\
        import torch
        from torch import nn
        from torch.utils.data import DataLoader, TensorDataset

        loader = DataLoader(TensorDataset(torch.ones(8, 2), torch.ones(8, 1)), batch_size=4)
        model = nn.Linear(2, 1)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)

        while flare.is_running():
            if flare.is_evaluate():
                flare.send(flare.FLModel(metrics={}))  # there are none to send
                continue
            for epoch in range(3):
                losses = []
                for x, y in loader:
                    optimizer.zero_grad()
                    loss = nn.functional.mse_loss(model(x), y)
                    loss.backward()
                    optimizer.step()
                    losses.append(loss.item())
                model.eval()
                for x, y in loader:
                    with torch.no_grad():
                        losses.append(nn.functional.mse_loss(model(x), y).item())
                mean_loss = sum(losses) / len(losses)
                print("loss", mean_loss)
        """,
    )
