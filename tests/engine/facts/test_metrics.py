"""Which numbers of an evaluation are metrics, and which of several alike comes first."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from engine.facts import gather
from engine.facts.best_metric import best_first
from engine.facts.many_values import collected_before
from engine.facts.metric_names import classify
from engine.facts.metrics import returned_metrics, spelled_by_caller, unpacked_metrics
from engine.facts.printed_metrics import names_given, printed_metrics
from engine.source import Project

TOLD_BY_LOSS = """\
import torch

def test():
    model.eval()
    correct = loss = 0
    for x, y in loader:
        loss += criterion(model(x), y).item()
        correct += (model(x).argmax(1) == y).sum().item()
    RETURNED

model = torch.nn.Linear(2, 2)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
criterion = torch.nn.CrossEntropyLoss()
best_loss = float("inf")
for epoch in range(3):
    for x, y in loader:
        optimizer.zero_grad()
        criterion(model(x), y).backward()
        optimizer.step()
    CALLED
    if val_loss < best_loss:
        best_loss = val_loss
        torch.save(model.state_dict(), "best.pt")
"""


READ_BY_KEYS = TOLD_BY_LOSS.replace("val_loss < best_loss", "score['Mean IoU'] > best_score and score['Class IoU']")


def test_a_dictionary_in_a_tuple_gives_the_metrics_that_are_read_from_it(tmp_path: Path) -> None:
    text = READ_BY_KEYS.replace("RETURNED", "return 0, meter.result()").replace("CALLED", "seen, score = test()")
    (tmp_path / "train.py").write_text(text)
    evaluation = gather(Project(tmp_path / "train.py")).evaluation
    assert evaluation is not None
    assert [(one.name, one.index, one.key) for one in evaluation.metrics] == [("iou", 1, "Mean IoU")]


@pytest.mark.parametrize(
    ("returned", "called"),
    [
        ("return loss / len(loader), correct / len(data)", "val_loss, val_acc = test()"),
        ("return correct / len(data), loss / len(loader)", "val_acc, val_loss = test()"),
    ],
)
def test_a_program_that_tells_its_best_model_by_the_loss(tmp_path: Path, returned: str, called: str) -> None:
    text = TOLD_BY_LOSS.replace("RETURNED", returned).replace("CALLED", called)
    (tmp_path / "train.py").write_text(text)
    told = gather(Project(tmp_path / "train.py")).evaluations[0].metrics
    assert [(metric.name, metric.direction) for metric in told] == [("loss", "min"), ("accuracy", "max")]
    (tmp_path / "train.py").write_text(text.replace("best_loss", "threshold"))
    told = gather(Project(tmp_path / "train.py")).evaluations[0].metrics
    assert [metric.name for metric in told] == ["accuracy", "loss"]


@pytest.mark.parametrize(
    ("returned", "targets", "index"),
    [
        ("train_acc, valid_acc, test_acc", [], 1),
        ("acc_train, acc_test", [], 1),
        ("a / n, b / n", ["train_acc", "val_acc"], 1),
        ("accuracy, per_class_acc", [], 0),
        ("{'train': train_acc, 'valid': valid_acc}", [], "valid"),
    ],
)
def test_what_is_measured_on_other_data_than_training_comes_first(returned, targets, index) -> None:
    function = ast.parse(f"def test():\n    return {returned}\n").body[0]
    _, metrics = returned_metrics(function, targets)
    assert [(metric.name, metric.index) for metric in metrics] == [("accuracy", index)]


def test_hr_is_the_hit_ratio_beside_ndcg_alone() -> None:
    function = ast.parse("def metrics():\n    return np.mean(HR), np.mean(NDCG)\n").body[0]
    _, metrics = returned_metrics(function, ["a", "b"])
    assert [(m.name, m.direction, m.index) for m in metrics] == [("hit_ratio", "max", 0), ("ndcg", "max", 1)]
    function = ast.parse("def upscale():\n    return sr, hr\n").body[0]
    assert returned_metrics(function, [])[1] == ()


@pytest.mark.parametrize(
    ("statement", "names"),
    [
        ("print('epoch {}, val, loss={:.4f} acc={:.4f}'.format(epoch, vl, va))", {"loss": "vl", "accuracy": "va"}),
        ("print('loss %.3f, dice: %5.2f' % (first, second))", {"loss": "first", "dice": "second"}),
        ("print(f'PSNR {value:.2f} dB')", {"psnr": "value"}),
        ("print('accuracy on the {} images'.format(count))", {}),
        ("print('error: {}'.format(problem))", {}),
        ("print('test loss:', total / 8)", {"loss": "total / 8"}),
        ("print('loss', worst.item())", {"loss": "worst.item()"}),
        ("print('best accuracy in epoch', epoch)", {}),
        ("logger.scalar_summary('val_dsc', mean_dsc, step)", {"dice": "mean_dsc"}),
    ],
)
def test_a_number_is_what_the_word_before_it_says(statement: str, names: dict[str, str]) -> None:
    assert {m.name: m.text for m in printed_metrics(ast.parse(statement).body)} == names


def test_a_name_says_more_than_the_word_before_it() -> None:
    body = ast.parse("print('loss {:.2f}'.format(val_acc))").body
    assert [m.name for m in printed_metrics(body)] == ["accuracy"]


@pytest.mark.parametrize(
    ("statements", "names"),
    [
        ("loss = F.mse_loss(out, y).item()\nprint('loss', loss)", {"loss": "loss"}),
        ("value = F.mse_loss(out, y).item()\nprint('loss', value)", {"mse": "value"}),
        ("error = 1 - correct / total\nprint(error)", {"error": "error"}),
        ("score = 100 * correct / total\nprint(score)", {"accuracy": "score"}),
        ("criterion = nn.BCELoss()\nprint('loss', test_loss / n)", {"loss": "test_loss / n"}),
    ],
)
def test_a_number_counts_once_under_its_own_name(statements: str, names: dict[str, str]) -> None:
    assert {m.name: m.text for m in printed_metrics(ast.parse(statements).body)} == names


@pytest.mark.parametrize(
    ("statement", "names"),
    [
        ("accuracy, loss = test(model)", ["accuracy", "loss"]),
        ("print(epoch, 'accuracy:', test(model))", ["accuracy"]),
        ("print('epoch {} accuracy {:.3f}'.format(epoch, test(model)))", ["accuracy"]),
        ("print(f'epoch {epoch}: accuracy = {test(model)}')", ["accuracy"]),
        ("print('epoch %d accuracy %.3f' % (epoch, test(model)))", ["accuracy"]),
        ("print(test(model))", []),
        ("keep('accuracy', test(model))", []),
        ("history.append({'epoch': epoch, 'val_acc': test(model)})", ["val_acc"]),
        ("wandb.log({'val_acc': test(model), 'epoch': epoch})", ["val_acc"]),
        ("rows = dict(epoch=epoch, val_acc=test(model))", ["val_acc"]),
        ("writer.add_scalar('Accuracy/val', test(model), epoch)", ["Accuracy/val"]),
        ("mlflow.log_metric('val_acc', test(model), step=epoch)", ["val_acc"]),
        ("val_accs.append(test(model))", ["val_accs"]),
        ("rows.writerow([epoch, test(model)])", []),
        ("test(model)", []),
    ],
)
def test_what_a_call_gives_back_has_the_name_it_is_bound_to_or_printed_by(statement: str, names: list[str]) -> None:
    node = ast.parse(statement).body[0]
    call = next(n for n in ast.walk(node) if isinstance(n, ast.Call) and getattr(n.func, "id", "") == "test")
    assert names_given(node, call) == names


@pytest.mark.parametrize(
    ("statements", "text"),
    [
        ("correct = sum(hits)\nprint('accuracy', 100 * correct / total)", "100 * correct / total"),
        ("history['val_acc'].append(hits / n)\nprint(f\"{history['val_acc'][-1]:.2f}\")", None),
        ("history['acc'].append(correct / n)\nprint(f\"{history['acc'][-1]:.2f}\")", "correct / n"),
        ("train_acc = a / n\nval_acc = b / m\nprint(train_acc, val_acc)", "val_acc"),
        ("train_acc = a / n\nprint(f'train acc {train_acc:.2f} test acc {correct / m:.2f}')", "correct / m"),
    ],
)
def test_the_ratio_itself_counts_that_was_computed_last_and_not_on_training_data(statements: str, text: str) -> None:
    found = {m.name: m.text for m in printed_metrics(ast.parse(statements).body)}
    assert found.get("accuracy") == (text or "history['val_acc'][-1]")


def test_a_call_that_takes_more_than_is_returned() -> None:
    function = ast.parse("def test(full):\n    if full:\n        return a, b, c\n    return accuracy, loss\n").body[0]
    _, metrics = returned_metrics(function, ["acc", "loss", "report"])
    assert [(metric.name, metric.index) for metric in metrics] == [("accuracy", 0), ("loss", 1)]


@pytest.mark.parametrize(
    ("statements", "names"),
    [
        ("f1s = scores(y)\navg_f1 = np.mean(f1s)\nprint('F1s:', f1s)\nprint('%.2f' % avg_f1)", {"f1": "avg_f1"}),
        ("scores = np.vstack(outputs)", {}),
        ("loss = loss.mean()", {"loss": "loss"}),
        ("losses.append(last)\nprint(losses)", {}),
        ("losses.append(last)\nloss = sum(losses) / 2", {"loss": "loss"}),
        ("errors = torch.zeros(3)\nerror = 1 + errors / errors.sum()", {}),
        ("errors = torch.zeros(3)\nprint('error', errors / n)", {}),
        ("errors = torch.zeros(3)\nerror = errors.sum().item() / n", {"error": "error"}),
        ("correct = torch.zeros(1)\naccuracy = correct / n", {"accuracy": "accuracy"}),
        ("accuracy = np.diag(matrix) / matrix.sum(1)", {}),
        ("accuracy = np.diag(matrix).sum() / matrix.sum()", {"accuracy": "accuracy"}),
    ],
)
def test_what_holds_many_numbers_is_no_metric(statements: str, names: dict[str, str]) -> None:
    assert {m.name: m.text for m in printed_metrics(ast.parse(statements).body)} == names


@pytest.mark.parametrize(
    ("before", "names"), [("errors = torch.zeros(3)", []), ("errors = []\nerrors = 0", ["error"]), ("", ["error"])]
)
def test_what_was_made_before_the_evaluation_may_hold_many_numbers(before: str, names: list[str]) -> None:
    code = ast.parse(f"{before}\nfor x in data:\n    errors += wrong(x)\nerror = errors / n\nprint(error)\n")
    block = code.body[-3:]
    found = printed_metrics(block, collected_before(code, block[0].lineno))
    assert [metric.name for metric in found] == names


@pytest.mark.parametrize("value", ["[]", "Meter()", "np.concatenate(parts)"])
def test_a_list_or_a_meter_that_is_returned_is_no_metric(value: str) -> None:
    function = ast.parse(f"def test():\n    losses = {value}\n    return losses, accuracy\n").body[0]
    assert [(m.name, m.index) for m in returned_metrics(function, [])[1]] == [("accuracy", 1)]


@pytest.mark.parametrize(
    ("returned", "targets", "compared", "first"),
    [
        ("loss, acc, auc", ["val_loss", "val_acc", "val_auc"], "if val_auc > best_auc: save()", "auc"),
        ("loss, acc, auc", ["val_loss", "val_acc", "val_auc"], "is_best = lowest >= val_loss", "loss"),
        ("{'acc': acc, 'loss': loss}", ["val"], 'if val["loss"] < best["loss"]: save()', "loss"),
        ("loss, acc, auc", ["val_loss", "val_acc", "val_auc"], "print(val_auc, best_auc)", "accuracy"),
        ("loss, acc, auc", ["l", "a", "c"], "if a > best_acc and l < best_loss: save()", "accuracy"),
        ("loss, acc", ["val_loss", "val_acc"], "if val_loss > train_loss: stop()", "accuracy"),
        ("loss, acc", ["_", "val_acc"], "if epoch > best_epoch: stop()", "accuracy"),
    ],
)
def test_the_metric_that_the_script_tells_its_best_model_by_comes_first(returned, targets, compared, first) -> None:
    function = ast.parse(f"def test():\n    return {returned}\n").body[0]
    returns, metrics = returned_metrics(function, targets)
    found = best_first(metrics, spelled_by_caller(metrics, returns, targets), ast.parse(compared))
    assert found[0].name == first
    assert set(found) == set(metrics)


@pytest.mark.parametrize(
    ("computed", "names"),
    [
        ("scores = torch.softmax(out, 1)[:, 3]", []),
        ("scores = torch.sigmoid(out).numpy()", []),
        ("score = right / total", ["score"]),
    ],
)
def test_as_many_numbers_as_samples_are_no_metric(computed: str, names: list[str]) -> None:
    assert [metric.name for metric in printed_metrics(ast.parse(computed).body)] == names


def test_the_key_tells_what_a_score_is() -> None:
    function = ast.parse("def validate():\n    return OrderedDict([('loss', losses.avg), ('acc', scores.avg)])").body[0]
    returns, metrics = returned_metrics(function, ["log"])
    assert returns == "dict"
    assert {metric.name: metric.index for metric in metrics} == {"accuracy": "acc", "loss": "loss"}


@pytest.mark.parametrize(
    ("text", "name", "direction"),
    [
        ("1 - correct / total", "error", "min"),
        ("100. * (1 - correct / total)", "error", "min"),
        ("float(1 - f1)", "loss", "min"),
        ("100 - top1_error", "accuracy", "max"),
        ("-total_loss / n", "score", "max"),
        ("-1 * loss", "score", "max"),
        ("-elbo", "loss", "min"),
        ("1 / len(loader) * total_loss", "loss", "min"),
        ("(1 - alpha) * loss", "loss", "min"),
        ("top1_err", "error", "min"),
        ("acc_loss / n", "loss", "min"),
        ("bce_dice_loss", "loss", "min"),
        ("loss_meter.acc", "accuracy", "max"),
        ("sum(map(float, losses)) / n", "loss", "min"),
        ("compute_map(y)", "map", "max"),
        ("mse ** 0.5", "rmse", "min"),
        ("np.sqrt(mean_squared_error(y, out))", "rmse", "min"),
        ("mean_absolute_error(y, out)", "mae", "min"),
        ("10 * math.log10(1 / mse)", "psnr", "max"),
        ("-10 * torch.log10(mse)", "psnr", "max"),
        ("val_top_5_accuracy", "top5_accuracy", "max"),
        ("top5_err", "error", "min"),
        ("matthews_corrcoef(y, out)", "mcc", "max"),
        ("test_mape", "mape", "min"),
    ],
)
def test_a_metric_is_what_its_expression_makes_of_the_words(text: str, name: str, direction: str) -> None:
    assert classify(text) == (name, direction)


@pytest.mark.parametrize(
    ("body", "returned", "targets", "found"),
    [
        ("pass", "correct, total", ["correct", "total"], []),
        ("pass", "{'loss': loss / n, 'correct': correct}", [], ["loss"]),
        ("correct /= total", "correct", [], ["accuracy"]),
        ("correct = 100 * correct / total", "correct", [], ["accuracy"]),
        ("pass", "correct", ["accuracy"], []),
        ("pass", "ratio(correct, total)", [], ["accuracy"]),
        ("pass", "correct.mean()", [], ["accuracy"]),
    ],
)
def test_a_count_is_no_accuracy(body: str, returned: str, targets: list[str], found: list[str]) -> None:
    function = ast.parse(f"def test():\n    {body}\n    return {returned}\n").body[0]
    assert [metric.name for metric in returned_metrics(function, targets)[1]] == found


def test_what_a_caller_unpacks_has_the_names_it_is_bound_to() -> None:
    found = unpacked_metrics(["train_acc", "val_loss", "val_acc", "correct", "seconds"])
    assert [(metric.name, metric.index) for metric in found] == [("accuracy", 2), ("loss", 1)]


@pytest.mark.parametrize(
    ("code", "direction", "name"),
    [
        ("if score < best:\n    best = score", "min", "score"),
        ("if best is None or self.best < score:\n    self.best = score", "max", "score"),
        ("best_score = min(best_score, score)", "min", "score"),
        ("if score > best:\n    bad += 1\nelse:\n    best = score", "max", "score"),
        ("if score < worst:\n    worst = score", "max", "score"),
    ],
)
def test_the_direction_is_that_in_which_the_script_keeps_the_best(code: str, direction: str, name: str) -> None:
    function = ast.parse("def test():\n    return score\n").body[0]
    _, metrics = returned_metrics(function, ["score"])
    (found,) = best_first(metrics, {"score": metrics[0]}, ast.parse(code))
    assert (found.direction, found.name) == (direction, name)


def test_what_is_kept_the_other_way_than_its_words_say_is_not_what_they_say() -> None:
    function = ast.parse("def test():\n    return loss - accuracy\n").body[0]
    _, metrics = returned_metrics(function, ["value"])
    (found,) = best_first(metrics, {"value": metrics[0]}, ast.parse("if value < best:\n    best = value"))
    assert (metrics[0].name, found.name, found.direction) == ("accuracy", "loss", "min")
