"""Training in NumPy: which arrays are the model, which stay local, and what cannot be followed."""

from __future__ import annotations

from pathlib import Path
from textwrap import indent

import pytest

from engine.facts import Facts, gather
from engine.facts.entry import find_entry
from engine.source import Project

HEADER = """import numpy as np
x, y = np.load("x.npy"), np.load("y.npy")
lr = 0.1

def sigmoid(z):
    return 1 / (1 + np.exp(-z))
"""
LOGISTIC = """
w, b = np.zeros(3), 0.0
for epoch in range(5):
    error = sigmoid(x @ w + b) - y
    w -= lr * x.T @ error
    b -= lr * error.mean()
"""
MOMENTUM = """
w, v = np.zeros(3), np.zeros(3)
for epoch in range(5):
    gradient = x.T @ (sigmoid(x @ w) - y)
    v = 0.9 * v - lr * gradient
    w = w + v
"""
MOMENTUM_INLINE = """
w, v = np.zeros(3), np.zeros(3)
for epoch in range(5):
    v = 0.9 * v - lr * x.T @ (sigmoid(x @ w) - y)
    w += v
"""
ADAM = """
w, b = np.random.randn(3) * 0.01, np.zeros(1)
m, s, mb, sb = np.zeros(3), np.zeros(3), 0.0, 0.0
t = 0
for epoch in range(5):
    t += 1
    error = sigmoid(x @ w + b) - y
    g, gb = x.T @ error, error.mean()
    m = 0.9 * m + 0.1 * g
    s = 0.999 * s + 0.001 * g ** 2
    mb = 0.9 * mb + 0.1 * gb
    sb = 0.999 * sb + 0.001 * gb ** 2
    m_hat = m / (1 - 0.9 ** t)
    s_hat = s / (1 - 0.999 ** t)
    w -= lr * m_hat / (np.sqrt(s_hat) + 1e-8)
    b -= lr * mb / (np.sqrt(sb) + 1e-8)
"""
ADAGRAD = """
w, cache = np.zeros(3), np.zeros(3)
for epoch in range(5):
    g = x.T @ (x @ w - y)
    cache += g ** 2
    w -= lr * g / (np.sqrt(cache) + 1e-8)
"""
NETWORK = """
rng = np.random.default_rng(0)
W1, b1 = rng.normal(size=(3, 4)), np.zeros(4)
W2, b2 = rng.normal(size=(4, 1)), np.zeros(1)
for epoch in range(5):
    order = rng.permutation(len(x))
    for start in range(0, len(x), 8):
        xb, yb = x[order[start:start + 8]], y[order[start:start + 8]]
        hidden = np.tanh(xb @ W1 + b1)
        output = sigmoid(hidden @ W2 + b2)
        d2 = output - yb
        d1 = d2 @ W2.T * (1 - hidden ** 2)
        W2 -= lr * hidden.T @ d2
        b2 -= lr * d2.sum(axis=0)
        W1 -= lr * xb.T @ d1
        b1 -= lr * d1.sum(axis=0)
"""
PERCEPTRON = """
w, b = np.zeros(3), 0.0
for epoch in range(5):
    for xi, yi in zip(x, y):
        if yi * (xi @ w + b) <= 0:
            w += yi * xi
            b += yi
"""
FACTORS = """
P, Q = np.random.rand(5, 2), np.random.rand(4, 2)
for epoch in range(5):
    for user, item, rating in x:
        e = rating - P[user] @ Q[item]
        P[user] += lr * e * Q[item]
        Q[item] += lr * e * P[user]
"""
IN_FUNCTION = """
def train(x, y, w, b, epochs=5):
    history = []
    for i in range(epochs):
        error = sigmoid(x @ w + b) - y
        w = w - lr * x.T @ error
        b = b - lr * error.mean()
        history.append(error.mean())
    return w, b, history

weights = np.zeros(3)
w, b, history = train(x, y, weights, b=0.0)
"""
BY_FUNCTIONS = """
def initialize(size):
    return np.zeros((size, 1)), 0.0

def propagate(w, b, X, Y):
    A = sigmoid(np.dot(w.T, X) + b)
    cost = -np.mean(Y * np.log(A) + (1 - Y) * np.log(1 - A))
    return {"dw": np.dot(X, (A - Y).T) / X.shape[1], "db": np.mean(A - Y)}, cost

def optimize(w, b, X, Y, iterations, rate):
    for i in range(iterations):
        grads, cost = propagate(w, b, X, Y)
        dw, db = grads["dw"], grads["db"]
        w = w - rate * dw
        b = b - rate * db
    return w, b

w, b = initialize(3)
optimize(w, b, x, y, 100, 0.1)
"""
GLOBALS = """
w, b = np.zeros(3), 0.0

def predict(x):
    return sigmoid(x @ w + b)

for epoch in range(5):
    error = predict(x) - y
    w -= lr * x.T @ error
    b -= lr * error.mean()
"""
RATES = """
w, best, previous = np.zeros(3), np.inf, 1e9
for epoch in range(5):
    error = x @ w - y
    loss = np.mean(error ** 2)
    best = min(best, loss)
    if abs(previous - loss) < 1e-9:
        break
    previous = loss
    w -= lr * x.T @ error
    lr *= 0.99
"""
ACCUMULATED = """
w, total, steps = np.zeros(3), np.zeros(3), 0
for epoch in range(5):
    for xi, yi in zip(x, y):
        total += xi * (xi @ w - yi)
        steps += 1
        if steps % 4 == 0:
            w -= lr * total
            total[:] = 0
"""
SHUFFLED = """
w = np.zeros(3)
for epoch in range(5):
    order = np.random.permutation(len(x))
    x, y = x[order], y[order]
    w -= lr * x.T @ (x @ w - y)
"""


def facts_of(folder: Path, lines: str) -> Facts:
    """The facts of a program in NumPy."""
    path = folder / "train.py"
    path.write_text(HEADER + lines)
    return gather(Project(path))


@pytest.mark.parametrize(
    ("lines", "model", "local"),
    [
        pytest.param(LOGISTIC, ["w", "b"], [], id="logistic"),
        pytest.param(MOMENTUM, ["w"], ["v"], id="momentum"),
        pytest.param(MOMENTUM_INLINE, ["w"], ["v"], id="momentum inline"),
        pytest.param(ADAM, ["w", "b"], ["m", "s"], id="adam"),
        pytest.param(ADAGRAD, ["w"], ["cache"], id="adagrad"),
        pytest.param(NETWORK, ["W2", "b2", "W1", "b1"], [], id="network"),
        pytest.param(PERCEPTRON, ["w", "b"], [], id="perceptron"),
        pytest.param(FACTORS, ["P", "Q"], [], id="factors"),
        pytest.param(IN_FUNCTION, ["w", "b"], [], id="in a function"),
        pytest.param(BY_FUNCTIONS, ["w", "b"], [], id="by functions"),
        pytest.param(GLOBALS, ["w", "b"], [], id="globals"),
        pytest.param(RATES, ["w"], [], id="rates"),
        pytest.param(ACCUMULATED, ["w"], ["total"], id="accumulated"),
        pytest.param(SHUFFLED, ["w"], [], id="shuffled"),
        pytest.param("if __name__ == '__main__':" + indent(LOGISTIC, "    "), ["w", "b"], [], id="main block"),
    ],
)
def test_what_is_trained_and_what_stays(tmp_path: Path, lines: str, model: list[str], local: list[str]) -> None:
    facts = facts_of(tmp_path, lines)
    assert facts.array_problem is None
    assert facts.arrays is not None
    assert [array.name for array in facts.arrays.arrays] == model
    assert list(facts.arrays.local) == local


@pytest.mark.parametrize(
    ("lines", "what"),
    [
        ("w = np.load('w.npy')\nfor e in range(5):\n    w -= lr * x.T @ (x @ w - y)", "what w starts from"),
        ("if lr > 1:\n    w = np.zeros(3)\nelse:\n    w = np.ones(3)\n"
         "for e in range(5):\n    w -= lr * x.T @ (x @ w - y)", "what w starts from"),
        ("if __name__ != '__main__':\n    w = np.zeros(3)\nfor e in range(5):\n    w -= lr * x.T @ (x @ w - y)",
         "what w starts from"),
        ("w, best = np.zeros(3), np.zeros(3)\nfor e in range(5):\n    w -= lr * x.T @ (x @ w - y)\n    if e > 3:\n"
         "        w = best", "w is replaced"),
        ("p = [np.zeros(3)]\nfor e in range(5):\n    p[0] = p[0] - lr * x.T @ (x @ p[0] - y)", "p[0] is no variable"),
        ("w, b = np.zeros(3), np.zeros(1)\nv = w\nfor e in range(5):\n    g = x @ w + b - y\n    v -= lr * x.T @ g\n"
         "    b -= g.mean()", "v is another name of w"),
        ("def inner(p, g):\n    p -= lr * g\ndef step(p, g):\n    inner(p, g)\nw, b = np.zeros(3), np.zeros(1)\n"
         "for e in range(5):\n    g = x @ w + b - y\n    w -= lr * x.T @ g\n    step(b, g.mean())",
         "step() changes b in place"),
        ("def fit(w, n):\n    for i in range(n):\n        w = w - lr * x.T @ (x @ w - y)\n    return w\n"
         "w = np.zeros(3)\nfor e in range(5):\n    w = fit(w, 3)", "in a loop of a function"),
    ],
)  # fmt: skip
def test_what_cannot_be_followed(tmp_path: Path, lines: str, what: str) -> None:
    facts = facts_of(tmp_path, lines)
    assert facts.arrays is None
    assert facts.array_problem is not None
    assert what in facts.array_problem.what


@pytest.mark.parametrize(
    "lines",
    [
        "total = np.zeros(3)\nfor row in x:\n    total += row",
        "position, speed = np.zeros(3), np.ones(3)\nfor t in range(9):\n    position = position + 0.1 * speed",
        "import torch\nw = np.zeros(3)\nfor e in range(5):\n    w -= lr * x.T @ (x @ w - y)",
        "mean = x.mean(axis=0)\nfor column in range(3):\n    mean[column] -= x[:, column].min()",
    ],
)
def test_what_is_no_training(tmp_path: Path, lines: str) -> None:
    facts = facts_of(tmp_path, lines)
    assert (facts.arrays, facts.array_problem, facts.loop) == (None, None, None)


def test_the_script_of_a_folder_is_found(tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text(HEADER + LOGISTIC)
    (tmp_path / "plot.py").write_text(HEADER + "print(x.mean())")
    assert find_entry(tmp_path).name == "train.py"


def test_what_the_updates_depend_on_and_the_arrays_of_samples(tmp_path: Path) -> None:
    lines = """
count, mean = len(x), x.mean(axis=0)
w = np.zeros(3)
for epoch in range(5):
    rate = lr / (1 + epoch)
    w -= rate * (x - mean).T @ (x @ w - y) / count
    print(epoch)
"""
    arrays = facts_of(tmp_path, lines).arrays
    assert arrays is not None
    assert arrays.samples == ("x", "y")
    assert {"epoch", "rate", "lr", "x", "y"} <= arrays.depends_on
    silent = facts_of(tmp_path, LOGISTIC).arrays
    assert silent is not None and "epoch" not in silent.depends_on
