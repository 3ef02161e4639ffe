"""Arrays that are attributes of an object or entries of a dictionary: followed where that is sure, else refused."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent, indent

import pytest

from engine.facts import Facts, gather
from engine.source import Project

DATA = 'import numpy as np\nx, y = np.load("x.npy"), np.load("y.npy")\n'
MODEL = """
class Model:
    def __init__(self, n=3):
        self.w = np.zeros(n)
        self.b = 0.0
        self.v = np.zeros(n)
        self.t = 0
    def predict(self, x):
        return x @ self.w + self.b
"""
W, B = "self.w -= 0.1 * x.T @ e\n", "self.b -= 0.1 * e.mean()\n"
PW, PB = 'params["w"] -= 0.1 * x.T @ e\n', 'params["b"] -= 0.1 * e.mean()\n'


def fit(updates: str = W + B, before: str = "pass", more: str = "", after: str = "Model().fit(x, y)\n") -> str:
    """A program whose class trains itself."""
    head = f"def fit(self, x, y):\n{indent(before, '    ')}\n    for epoch in range(9):\n"
    method = head + indent(f"e = self.predict(x) - y\n{updates}", " " * 8)
    return DATA + MODEL + indent(f"{method}\n{dedent(more)}", "    ") + after


def outside(updates: str, before: str = "") -> str:
    """A program that trains the attributes of an object from outside of it."""
    loop = f"for epoch in range(9):\n    e = m.predict(x) - y\n{indent(updates, '    ')}"
    return f"{DATA}{MODEL}m = Model()\n{before}{loop}"


def dictionary(
    updates: str = PW + PB, before: str = "", made: str = '{"w": np.zeros(3), "b": 0.0}', more: str = ""
) -> str:
    """A program whose parameters are in a dictionary."""
    loop = f"for epoch in range(9):\n    e = x @ params['w'] + params['b'] - y\n{indent(updates, '    ')}"
    return f"{DATA}{dedent(more)}params = {made}\n{before}{loop}"


def facts_of(folder: Path, text: str) -> Facts:
    (folder / "train.py").write_text(text)
    return gather(Project(folder / "train.py"))


ENTRIES = ['params["w"]', 'params["b"]']
FOLLOWED = {
    "set by the constructor": (fit(), ["self.w", "self.b"]),
    "momentum stays": (fit("self.v = 0.9 * self.v + x.T @ e\nself.t += 1\nself.w -= 0.1 * self.v\n"), ["self.w"]),
    "set in front of the loop": (fit(before="self.w = np.ones(3)"), ["self.w", "self.b"]),
    "from outside": (outside("m.w -= 0.1 * x.T @ e\nm.b -= 0.1 * e.mean()\n"), ["m.w", "m.b"]),
    "both at once": (
        fit("self.w, self.b = self.w - 0.1 * x.T @ e, self.b - 0.1 * e.mean()\n"), ["self.b", "self.w"]
    ),
    "a method keeps what it computes": (
        fit("self.forward(x)\nself.w -= 0.1 * x.T @ (self.a - y)\n",
            more="def forward(self, x):\n    self.a = x @ self.w + self.b\n"), ["self.w"],
    ),
    "a dictionary": (dictionary(), ENTRIES),
    "put in one by one": (
        dictionary(made="{}", before='params["w"] = np.zeros(3)\nparams["b"] = np.zeros(1)\n'), ENTRIES
    ),
    "given back by a function": (
        dictionary(made="make(3)", more='def make(n):\n    return {"w": np.zeros(n), "b": 0.0}\n'), ENTRIES
    ),
    "handed to a function": (
        DATA + 'def train(p, x, y):\n    for epoch in range(9):\n        p["w"] -= 0.1 * x.T @ (x @ p["w"] - y)\n'
        'params = {"w": np.zeros(3)}\ntrain(params, x, y)\n', ['p["w"]'],
    ),
}  # fmt: skip


@pytest.mark.parametrize(("text", "model"), FOLLOWED.values(), ids=FOLLOWED)
def test_what_is_trained(tmp_path: Path, text: str, model: list[str]) -> None:
    facts = facts_of(tmp_path, text)
    assert facts.array_problem is None
    assert facts.arrays is not None
    assert [array.written for array in facts.arrays.arrays] == model
    assert facts.arrays.samples == ("x", "y")
    assert facts.arrays.local == (("self.v",) if "self.v = 0.9" in text else ())


STEP = "def step(p, g):\n    p -= 0.1 * g\n"
REFUSED = {
    "another name in the loop": (fit("w = self.w\nw -= 0.1 * x.T @ e\n" + B), "under another name"),
    "another name before it": (fit("w -= 0.1 * x.T @ e\n" + B, before="w = self.w"), "w is another name of self.w"),
    "elements of another name": (
        fit("w[...] = w - 0.1 * x.T @ e\n" + B, before="w = self.w"), "w is another name of self.w"
    ),
    "an entry under another name": (
        dictionary("b -= 0.1 * e.mean()\n" + PW, 'b = params["b"]\n', '{"w": np.zeros(3), "b": np.zeros(1)}'),
        "b is another name of params['b']",
    ),
    "a dictionary under two names": (dictionary('q["b"] -= e.mean()\n' + PW, "q = params\n"), "q['b'] is no variable"),
    "an object under two names": (outside("m.w -= x.T @ e\no.b -= e.mean()\n", "o = m\n"), "o.b is no variable"),
    "a method updates": (fit(W + "self.shift(e)\n", more="def shift(self, e):\n    " + B), "self.b"),
    "a method of a method updates": (
        fit(W + "self.one(e)\n", more="def one(self, e):\n    self.two(e)\ndef two(self, e):\n    " + B), "self.b"
    ),
    "a method updates under another name": (
        fit(B + "self.one(x, e)\n", more="def one(self, x, e):\n    w = self.w\n    w -= 0.1 * x.T @ e\n"),
        "Model.one() changes self in place",
    ),
    "a function updates what it is given": (
        fit(B + "step(self.w, x.T @ e)\n", after=STEP + "Model().fit(x, y)\n"), "step() changes self.w in place"
    ),
    "a function hands it on": (
        fit(B + "outer(self.w, x.T @ e)\n",
            after=STEP + "def outer(p, g):\n    step(p, g)\nModel().fit(x, y)\n"), "outer() changes self.w in place",
    ),
    "a function updates the dictionary": (
        dictionary(PW + "step(params, e)\n", more='def step(p, e):\n    p["b"] -= 0.1 * e.mean()\n'),
        "params['b'] is changed out of the sight of the epoch loop",
    ),
    "a function updates the global dictionary": (
        dictionary(PW + "step(e)\n", more="def step(e):\n    " + PB),
        "params['b'] is changed out of the sight of the epoch loop",
    ),
    "by name": (fit(W + "setattr(self, 'b', self.b - e.mean())\n"), "self.b is changed out of the sight"),
    "update()": (dictionary('params.update(w=params["w"] - x.T @ e)\n' + PB), "out of the sight of the epoch loop"),
    "by a key that is computed": (dictionary("for k in params:\n    params[k] -= x.T @ e\n"), "params[k]"),
    "added by a key": (dictionary("for k in params:\n    params[k] += -0.1 * (x.T @ e)\n"), "params[k]"),
    "loaded by another method": (
        fit(more="def load(self):\n    self.w = np.load('w.npy')\n", after="m = Model()\nm.load()\nm.fit(x, y)\n"),
        "what self.w starts from",
    ),
    "set from outside": (fit(after="m = Model()\nm.w = np.ones(3)\nm.fit(x, y)\n"), "what self.w starts from"),
    "elements set from outside": (fit(after="m = Model()\nm.w[0] = 1\nm.fit(x, y)\n"), "what self.w starts from"),
    "filled from outside": (fit(after="m = Model()\nm.w.fill(1)\nm.fit(x, y)\n"), "what self.w starts from"),
    "only where it is not there": (fit(before="if self.w is None:\n    self.w = np.zeros(3)"), "what self.w starts"),
    "an entry changed before": (dictionary(before='params["w"] += 1.0\n'), "starts from"),
    "a dictionary handed away before": (
        dictionary(before="scale(params)\n", more="def scale(p):\n    p['w'] = p['w'] + 1\n"), "starts from"
    ),
    "copied into before": (dictionary(before='np.copyto(params["w"], np.ones(3))\n'), "starts from"),
    "an entry set in a branch": (dictionary(before='if len(x) > 3:\n    params["w"] = np.ones(3)\n'), "starts from"),
    "the whole dictionary anew": (
        dictionary('params = {"w": params["w"] - x.T @ e, "b": params["b"]}\n'), "params holds several arrays"
    ),
    "layers in a list": (
        f"{DATA}{MODEL}layers = [Model(), Model()]\nfor epoch in range(9):\n    for m in layers:\n"
        "        m.w -= 0.1 * x.T @ (m.predict(x) - y)\n", "m.w is no variable",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("text", "what"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_followed(tmp_path: Path, text: str, what: str) -> None:
    facts = facts_of(tmp_path, text)
    assert facts.arrays is None
    assert facts.array_problem is not None
    assert what in facts.array_problem.what
