"""Deliberate defects, each a change of text in a correct conversion, and the proof that catches it."""

from __future__ import annotations

from dataclasses import dataclass

LOAD = "        model.load_state_dict(input_model.params)\n"
EVALUATE = "        with torch.random.fork_rng():\n            metrics = test(model, test_loader)\n"
EVALUATE_TASK = """\
        if flare.is_evaluate():
            flare.send(flare.FLModel(metrics=metrics))
            continue
"""
SUBMIT_TASK = """\
        if flare.is_submit_model():
            flare.send(flare.FLModel(params=params))
            continue
"""
EPOCHS = """\
        for epoch in range(1, args.epochs + 1):
            train(args, model, train_loader, optimizer, epoch)
            test(model, test_loader)
"""
PARAMS = """\
        params = {name: value.detach().cpu().contiguous().clone() for name, value in model.state_dict().items()}
"""
SEND = "        flare.send(flare.FLModel(params=params, metrics=metrics, meta=meta))\n"
OPTIMIZER = "    optimizer = torch.optim.SGD(model.parameters(), lr=args.lr, momentum=0.9)\n"
HOOK = "    optimizer.register_step_post_hook(lambda *_: steps.update(done=1))\n"


@dataclass(frozen=True)
class Defect:
    """One defect.

    Attributes:
        name: what is wrong.
        proof: the proof that must fail.
        says: words of the check that fails, or of its detail.
        changes: pairs of text and what replaces it.
        project: folder below ``projects``.
        file: the file that is changed.
    """

    name: str
    proof: str
    says: str
    changes: tuple[tuple[str, str], ...]
    project: str = "functions"
    file: str = "client.py"


def _change(name: str, proof: str, says: str, *changes: tuple[str, str], **where: str) -> Defect:
    return Defect(name, proof, says, changes, **where)


def _indented(text: str) -> str:
    return "".join(f"    {line}\n" for line in text.splitlines())


WEIGHTS = (
    _change("received weights are not loaded", "P2", "other weights than it had received", (LOAD, "")),
    _change(
        "received weights are loaded in round 1 only",
        "P2",
        "other weights than it had received",
        (LOAD, f"        if not input_model.current_round:\n    {LOAD}"),
    ),
    _change("received weights are loaded after training", "P1", "sent weights", (LOAD, ""), (PARAMS, LOAD + PARAMS)),
    _change(
        "keys do not fit and the load is not strict",
        "P2",
        "other weights than it had received",
        (LOAD, "        torch.nn.DataParallel(model).load_state_dict(input_model.params, strict=False)\n"),
    ),
    _change(
        "a local checkpoint replaces the received weights",
        "P2",
        "other weights than it had received",
        (
            "        steps.clear()\n",
            "        if input_model.current_round:\n            model.load_state_dict(params)\n        steps.clear()\n",
        ),
    ),
    _change(
        "the best weights are sent",
        "P1",
        "sent weights",
        (
            EPOCHS + PARAMS,
            f"{EPOCHS}            if epoch == 1:\n                torch.save(model.state_dict(), 'best.pt')\n"
            f"        model.load_state_dict(torch.load('best.pt'))\n{PARAMS}",
        ),
    ),
    _change(
        "the received weights are sent back",
        "P1",
        "sent weights",
        (PARAMS, "        params = {name: value.clone() for name, value in input_model.params.items()}\n"),
    ),
    _change("weights are sent in half precision", "P5", "torch.float16", (".cpu().contiguous()", ".cpu().half()")),
    _change(
        "buffers are not sent",
        "P5",
        "norm.running_mean",
        ("model.state_dict().items()}", "model.named_parameters()}"),
    ),
    _change(
        "an integer buffer is not sent",
        "P5",
        "seen",
        ("self.model.state_dict().items()}", "self.model.state_dict().items() if value.is_floating_point()}"),
        project="trainer",
        file="trainer.py",
    ),
    _change(
        "keys carry the prefix of DataParallel",
        "P5",
        "prefix of a wrapper",
        ("in model.state_dict()", "in torch.nn.DataParallel(model).state_dict()"),
    ),
    _change("what is sent is no copy", "P5", "it is no copy", (".contiguous().clone()", "")),
    _change(
        "what is sent are arrays",
        "P5",
        "FLARE drops what is no tensor",
        (".contiguous().clone()", ".clone().numpy()"),
    ),
)

TRAINING = (
    _change("training in evaluation mode", "P1", "evaluation mode", ("    model.train()\n", "")),
    _change(
        "evaluation moves the random stream",
        "P1",
        "after evaluation",
        (EVALUATE, "        metrics = test(model, test_loader)\n"),
    ),
    _change(
        "the set-up moves the random stream",
        "P1",
        "the set-up leaves the torch random stream elsewhere",
        ("    model = Net(", "    torch.rand(1)\n    model = Net("),
    ),
    _change(
        "evaluation in training mode moves the statistics of BatchNorm",
        "P1",
        "after evaluation",
        (
            EVALUATE,
            EVALUATE.replace(
                "metrics =", "model.train(), [model(data) for data, _ in test_loader]\n            metrics ="
            ),
        ),
    ),
    _change(
        "evaluation leaves autograd off",
        "P1",
        "does not require grad",
        ("        for epoch in range(1", "        torch.set_grad_enabled(False)\n        for epoch in range(1"),
    ),
    _change(
        "the optimizer is built anew each round",
        "P2",
        "(round 2, its step 1)",
        (OPTIMIZER + "    steps = Counter()\n" + HOOK, "    steps = Counter()\n"),
        ("        steps.clear()\n", f"        steps.clear()\n{_indented(OPTIMIZER + HOOK)}"),
    ),
    _change(
        "the model is built anew each round, and the optimizer is not",
        "P1",
        "first difference",
        (LOAD, f"        model = Net(hidden=args.hidden)\n{LOAD}"),
    ),
    _change("one epoch is missing", "P1", "7 steps in all, in the original 14", ("args.epochs + 1):", "args.epochs):")),
    _change(
        "the range of epochs is empty from round 2 on",
        "P2",
        "7 steps in all, in the original 14",
        ("range(1, args.epochs + 1)", "range(1 + args.epochs * (input_model.current_round or 0), args.epochs + 1)"),
    ),
    _change("the last batch is dropped", "P1", "first difference", ("shuffle=True)", "shuffle=True, drop_last=True)")),
    _change("training data is not shuffled", "P1", "after evaluation", ("shuffle=True", "shuffle=False")),
    _change(
        "another learning rate",
        "P1",
        "learning rate [0.005], in the original [0.05]",
        ("default=0.05", "default=0.005"),
    ),
    _change(
        "gradients are not clipped",
        "P1",
        "first difference",
        ("        nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)\n", ""),
        project="trainer",
        file="trainer.py",
    ),
    _change(
        "the schedule ends with the first round",
        "P2",
        "learning rate",
        ("T_max=args.epochs * args.num_rounds", "T_max=args.epochs"),
        project="schedule",
    ),
    _change(
        "the schedule starts anew each round",
        "P2",
        "learning rate",
        (
            "        steps.clear()\n",
            "        steps.clear()\n        optimizer.param_groups[0]['lr'] = 0.2\n"
            "        scheduler = CosineAnnealingLR(optimizer, T_max=args.epochs * args.num_rounds)\n",
        ),
        project="schedule",
    ),
)

NUMBERS = (
    _change("steps of one epoch", "P3", "claims 7 steps; counted: 14", ('steps["done"]', "len(train_loader)")),
    _change("steps of all rounds", "P3", "claims 14 steps; counted: 7", ("        steps.clear()\n", "")),
    _change("samples for steps", "P3", "claims 97 steps", ('steps["done"]', "len(train_loader.dataset)")),
    _change("no steps", "P3", "claims None steps", (", meta=meta))", "))")),
    _change(
        "metrics of the trained weights",
        "P3",
        "evaluated alone, the same weights give",
        (PARAMS, PARAMS + "        metrics = test(model, test_loader)\n"),
    ),
    _change(
        "metrics of the weights before",
        "P3",
        "evaluated alone, the same weights give",
        (LOAD + EVALUATE, EVALUATE + LOAD),
    ),
    _change(
        "dropout is left on while the received model is evaluated",
        "P3",
        "evaluated alone, the same weights give",
        (
            EVALUATE,
            "        with torch.random.fork_rng():\n"
            "            model.drop.train = lambda mode: setattr(model.drop, 'training', True)\n"
            "            metrics = test(model, test_loader)\n"
            "            del model.drop.train\n",
        ),
    ),
    _change(
        "metrics of the first round for ever",
        "P3",
        "evaluated alone, the same weights give",
        (EVALUATE, f"        if input_model.current_round != 1:\n{_indented(EVALUATE)}"),
    ),
    _change(
        "another denominator",
        "P3",
        "the original printed",
        ('return {"accuracy": accuracy,', 'return {"accuracy": correct / len(test_loader) / 100,'),
    ),
    _change(
        "evaluation on the training data",
        "P3",
        "the original printed",
        ("metrics = test(model, test_loader)", "metrics = test(model, train_loader)"),
    ),
    _change(
        "metric as tensor",
        "P3",
        "metric accuracy is Tensor",
        ('"accuracy": accuracy', '"accuracy": torch.tensor(accuracy)'),
    ),
    _change("metric that is not finite", "P3", "not a finite number", ('"loss": loss', '"loss": float("nan")')),
    _change("metric under another name", "P3", "sent no 'accuracy'", ('"accuracy": accuracy', '"acc": accuracy')),
)

PROTOCOL = (
    _change(
        "a second send", "P5", "needs to be called before sending", (SEND, SEND + SEND.replace("params=params, ", ""))
    ),
    _change(
        "a second send that keeps the first",
        "P2",
        "a second result for the same task",
        (SEND, SEND.replace("meta=meta))", "meta=meta), clear_cache=False)") + SEND),
    ),
    _change(
        "no send after an early stop",
        "P2",
        "without having sent the result",
        (SEND, f"        if input_model.current_round:\n            continue\n{SEND}"),
    ),
    _change("the script ends after a round", "P2", "ended without sending", (SEND, f"{SEND}        break\n")),
    _change(
        "the script exits on the way",
        "P1",
        "sys.exit",
        (SEND, f"        raise SystemExit('target accuracy reached')\n{SEND}"),
    ),
    _change("evaluation tasks are trained on", "P5", "trained on an evaluation task", (EVALUATE_TASK, "")),
    _change("submit tasks are not known", "P5", "submit task was not answered", (SUBMIT_TASK, "")),
    _change(
        "submitted is what was evaluated last",
        "P5",
        "as submitted is not what was trained last",
        ("flare.FLModel(params=params))", "flare.FLModel(params=model.state_dict()))"),
    ),
    _change(
        "a failure is swallowed",
        "P6",
        "although an optimizer step had failed",
        (EPOCHS, f"        try:\n{_indented(EPOCHS)}        except RuntimeError:\n            pass\n"),
    ),
    _change(
        "the end of the script fails",
        "P5",
        "No such file or directory",
        ("    torch.save(model.state_dict(), args.save)", "    open('history.csv').close()"),
    ),
    _change(
        "the server builds another model",
        "P5",
        "the server has torch.float32 (16,",
        ('"hidden": 12', '"hidden": 16'),
        file="conversion.json",
    ),
    _change(
        "the server needs the training script",
        "P5",
        "the training script, which would run on the server",
        ("model.Net", "client.Net"),
        file="conversion.json",
    ),
    _change(
        "the server initialises the weights in another way",
        "P5",
        "0 everywhere on the server",
        (
            "self.out = nn.Linear(hidden, 3)\n",
            "self.out = nn.Linear(hidden, 3)\n        nn.init.zeros_(self.out.weight)\n",
        ),
        file="model.py",
    ),
)

PARTITIONS = (
    _change(
        "parts overlap",
        "P4",
        "given to more than one site",
        ("order[index::partitions]", "order[: len(order) * 3 // 4]"),
        file="site_data.py",
    ),
    _change(
        "samples are lost",
        "P4",
        "samples are given to no site",
        ("order[index::partitions]", "order[index * 20 : index * 20 + 20]"),
        file="site_data.py",
    ),
    _change("data is not split", "P4", "was not called", ("site_data.part(train_set)", "train_set")),
    _change(
        "every site has all data",
        "P4",
        "the whole training data",
        ("    site_data.partitions = args.partitions\n", ""),
    ),
    _change(
        "each site draws its own data before the split",
        "P4",
        "drawn at random before the split",
        (
            "site_data.part(train_set)",
            "site_data.part(torch.utils.data.random_split(train_set, [80, 17], torch.Generator().manual_seed("
            "int(flare.get_site_name()[-1])))[0])",
        ),
    ),
)

DEFECTS = WEIGHTS + TRAINING + NUMBERS + PROTOCOL + PARTITIONS
