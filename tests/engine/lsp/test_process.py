"""The language server as a process: what it tells a simple editor, and that it ends with it."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from importlib.resources import files
from pathlib import Path

import psutil
import pytest

ROOT = Path(__file__).parents[3]
COMMAND = [sys.executable, "-m", "codemods", "lsp", "--stdio"]
CONVERT = "Convert to a NVIDIA FLARE job"
LIMIT = 60.0
AT_ONCE = 5.0  # seconds; to examine the long text takes longer
TRAINING = """\
import torch

model = torch.nn.Linear(2, 1)
model.load_state_dict(torch.load("start.pt"))
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for epoch in range(3):
    optimizer.zero_grad()
    model(torch.ones(4, 2)).mean().backward()
    optimizer.step()
"""


class Pipe:
    """A server of its own, spoken to message by message: what a small editor can do."""

    def __init__(self, capabilities: dict, folder: Path) -> None:
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(COMMAND, cwd=ROOT, stdin=pipe, stdout=pipe)
        self.children = psutil.Process(self.process.pid)
        self.count = 0
        self.notes: list[dict] = []
        self.ask("initialize", {"processId": None, "rootUri": folder.as_uri(), "capabilities": capabilities})
        self.send({"method": "initialized", "params": {}})

    def send(self, message: dict) -> None:
        body = json.dumps({"jsonrpc": "2.0", **message}).encode()
        self.process.stdin.write(b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
        self.process.stdin.flush()

    def receive(self) -> dict:
        length = 0
        while line := self.process.stdout.readline().strip():
            if line.lower().startswith(b"content-length:"):
                length = int(line.split(b":")[1])
        return json.loads(self.process.stdout.read(length))

    def ask(self, method: str, params: object = None):
        self.count += 1
        self.send({"id": self.count, "method": method, "params": params})
        while (message := self.receive()).get("id") != self.count or "method" in message:
            self.notes.append(message)
            if "id" in message:
                self.send({"id": message["id"], "result": {"applied": True}})
        return message["result"]

    def open(self, path: Path) -> str:
        item = {"uri": path.as_uri(), "languageId": "python", "version": 1, "text": path.read_text()}
        self.send({"method": "textDocument/didOpen", "params": {"textDocument": item}})
        return path.as_uri()


def test_an_editor_that_can_do_little_is_served(tmp_path: Path) -> None:
    path = tmp_path / "train.py"
    path.write_text(TRAINING)
    pipe = Pipe({}, tmp_path)
    uri = pipe.open(path)
    everything = {"start": {"line": 0, "character": 0}, "end": {"line": 99, "character": 0}}
    params = {"textDocument": {"uri": uri}, "range": everything, "context": {"diagnostics": []}}
    actions = {each["title"]: each for each in pipe.ask("textDocument/codeAction", params)}
    assert [each["newText"] for each in actions["Add weights_only=True"]["edit"]["changes"][uri]] == [
        ", weights_only=True"
    ]
    assert actions[CONVERT]["kind"] == "refactor.rewrite.flare-codemods"
    pipe.ask("workspace/executeCommand", actions[CONVERT]["command"])
    messages = [each["params"]["message"] for each in pipe.notes if each["method"] == "window/showMessage"]
    assert messages == [f"this editor cannot create files by an edit; run python -m codemods apply {path}"]
    assert pipe.ask("shutdown") is None
    pipe.send({"method": "exit"})
    assert pipe.process.wait(LIMIT) == 0


def test_no_secret_is_shown(tmp_path: Path) -> None:
    path = tmp_path / "train.py"
    lazy = "LazyLinear(1, device='https://me:hunter2@example.org')"
    path.write_text(TRAINING.replace("start.pt", "https://me:hunter2@example.org/w").replace("Linear(2, 1)", lazy))
    pipe = Pipe({}, tmp_path)
    uri = pipe.open(path)
    everything = {"start": {"line": 0, "character": 0}, "end": {"line": 99, "character": 0}}
    params = {"textDocument": {"uri": uri}, "range": everything, "context": {"diagnostics": []}}
    convert = next(each for each in pipe.ask("textDocument/codeAction", params) if each["title"] == CONVERT)
    pipe.ask("workspace/executeCommand", convert["command"])
    shown = [pipe.ask("textDocument/hover", {"textDocument": {"uri": uri}, "position": {"line": line, "character": at}})
             for line, at in ((2, 8), (3, 24))]  # fmt: skip
    told = json.dumps([*pipe.notes, *shown])
    assert "FLR116" in told and "FLR202" in told
    assert "hunter2" not in told
    pipe.ask("shutdown")
    pipe.send({"method": "exit"})
    assert pipe.process.wait(LIMIT) == 0


@pytest.mark.parametrize("editor", ["neovim_v0.11.0", "visual_studio_code_v1.65.2"])
def test_editors_are_told_what_they_understand(tmp_path: Path, editor: str) -> None:
    text = TRAINING.replace("model.load", "name = '😀'; model.load")
    path = tmp_path / "train.py"
    path.write_text(text)
    clients = files("pytest_lsp") / "clients"
    capabilities = json.loads((clients / f"{editor}.json").read_text())["capabilities"]
    pipe = Pipe(capabilities, tmp_path)
    uri = pipe.open(path)
    everything = {"start": {"line": 0, "character": 0}, "end": {"line": 99, "character": 0}}
    params = {"textDocument": {"uri": uri}, "range": everything, "context": {"diagnostics": []}}
    actions = {each["title"]: each for each in pipe.ask("textDocument/codeAction", params)}
    (change,) = actions["Add weights_only=True"]["edit"]["documentChanges"]
    line = text.splitlines()[3]
    before = line[: line.index('"start.pt"') + len('"start.pt"')]
    units = len(before.encode()) if "neovim" in editor else len(before.encode("utf-16-le")) // 2
    assert change["edits"][0]["range"]["start"] == {"line": 3, "character": units}
    pipe.ask("workspace/executeCommand", actions[CONVERT]["command"])
    (asked,) = [each["params"]["edit"] for each in pipe.notes if each["method"] == "workspace/applyEdit"]
    made = [Path(each["uri"]).name for each in asked["documentChanges"] if each.get("kind") == "create"]
    assert {"client.py", "conversion.json", "job.py", "model.py"} <= set(made)
    assert ("changeAnnotations" in asked) == ("neovim" not in editor)
    pipe.ask("shutdown")
    pipe.send({"method": "exit"})
    assert pipe.process.wait(LIMIT) == 0


@pytest.mark.parametrize("farewell", ["exit without shutdown", "gone"])
def test_a_server_ends_with_its_editor(tmp_path: Path, farewell: str) -> None:
    path = tmp_path / "train.py"
    path.write_text(TRAINING)
    pipe = Pipe({}, tmp_path)
    pipe.open(path)
    children = pipe.children.children(recursive=True)
    if farewell == "gone":
        pipe.process.stdin.close()
    else:
        pipe.send({"method": "exit"})
    assert pipe.process.wait(LIMIT) == 1
    assert not any(child.is_running() for child in children)


@pytest.mark.parametrize("farewell", ["shutdown", "gone"])
def test_a_long_text_keeps_no_server(tmp_path: Path, farewell: str) -> None:
    path = tmp_path / "train.py"
    path.write_text(TRAINING + "".join(f"x{number} = model(torch.ones({number}, 2))\n" for number in range(20_000)))
    pipe = Pipe({}, tmp_path)
    pipe.open(path)
    time.sleep(1)  # past the pause after which it is examined
    if farewell == "shutdown":
        pipe.ask("shutdown")
        pipe.send({"method": "exit"})
    started = time.monotonic()
    pipe.process.stdin.close()
    assert pipe.process.wait(LIMIT) == (0 if farewell == "shutdown" else 1)
    assert time.monotonic() - started < AT_ONCE


def test_without_pygls_there_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "pygls.py").write_text("raise ModuleNotFoundError('no pygls', name='pygls')\n")
    code = f"import sys; sys.path.insert(0, {str(tmp_path)!r}); from codemods.__main__ import main; main(['lsp'])"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=LIMIT)
    assert done.returncode == 2
    assert done.stdout == ""
    wanted = "error: the language server needs pygls; install it with pip install 'flare-codemods[lsp]'\n"
    assert done.stderr == wanted
