"""The statements that the metrics of an inline evaluation depend on, without those of the training beside it."""

from __future__ import annotations

from tests.engine.plan.inline import HEAD, check_evaluation


def test_what_the_training_did_under_the_same_names_is_left_out() -> None:
    check_evaluation(
        """\
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
        """,
        """\
        def evaluate():
            model.train(False)
            total = 0
            count = 0
            for x, y in loader:
                total += (model(x) - y).abs().mean().item()
                count += 1
            val_loss = total / count
            return {"loss": float(val_loss)}
        """,
        converted_head=HEAD.replace("TensorDataset\n\n", "TensorDataset\n\nfrom undisturbed import undisturbed\n\n", 1),
        guard="with undisturbed(model):",
    )


def test_a_number_of_the_training_is_not_the_evaluations() -> None:
    check_evaluation(
        """\
        for epoch in range(3):
            model.train()
            correct = 0
            for x, y in loader:
                optimizer.zero_grad()
                output = model(x)
                nn.functional.mse_loss(output, y).backward()
                optimizer.step()
                correct += (output.round() == y).sum().item()
            train_accuracy = correct / len(loader.dataset)
            model.eval()
            correct = 0
            for x, y in loader:
                with torch.no_grad():
                    correct += (model(x).round() == y).sum().item()
            print(f"train {train_accuracy:.3f} test {100. * correct / len(loader.dataset):.2f}%")
        """,
        """\
        def evaluate():
            model.eval()
            correct = 0
            for x, y in loader:
                with torch.no_grad():
                    correct += (model(x).round() == y).sum().item()
            return {"accuracy": float(100.0 * correct / len(loader.dataset))}
        """,
    )


def test_what_the_training_has_counted_cannot_be_measured_before_it() -> None:
    check_evaluation(
        """\
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
        "",
    )
