"""The scratch copy of the original: what is changed in it, and that everything else stays."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from engine.result import UserError
from engine.verify.conversion import Conversion, SourceRange
from engine.verify.original import accepts, instrument


def conversion(
    loop: int, epochs: SourceRange | None = None, *evaluations: SourceRange, model: str = "net"
) -> Conversion:
    return Conversion(
        directory=Path("federated"),
        source_root=Path(),
        entry="train.py",
        client="client.py",
        class_path="model.Net",
        model_args={},
        metric=None,
        epochs_option=None,
        rounds_option=None,
        partitions_option=None,
        data=(),
        loop=SourceRange("train.py", loop),
        model=model,
        epochs=epochs,
        evaluations=evaluations,
    )


def test_count_and_probe_are_put_in(tmp_path):
    loop = "    for epoch in range(N):\n        step()\n        score = test(\n            net)\n"
    (tmp_path / "train.py").write_text(f"N = 9\ndef main():\n{loop}    done()\n")
    count = SourceRange("train.py", 1, 4, 1, 5)
    instrument(conversion(3, count, SourceRange("train.py", 5, end_line=6)), tmp_path, 2)
    assert (tmp_path / "train.py").read_text().replace("_flare_verify_probe", "P").splitlines() == [
        "N = 2",
        "def main():",
        "    P.loop_begins(net)",
        "    for epoch in range(N):",
        "        step()",
        "        P.evaluation_begins(locals())",
        "        score = test(",
        "            net)",
        "        P.evaluation_ends(locals())",
        "    P.loop_ends()",
        "    done()",
    ]


def test_what_trains_in_no_loop_can_stand_there_several_times(tmp_path):
    (tmp_path / "train.py").write_text("def main():\n    clear()\n\n    step()  # one\n    done()\n")
    place = replace(conversion(2), loop=SourceRange("train.py", 2, end_line=4))
    instrument(place, tmp_path, 1, times=2)
    assert (tmp_path / "train.py").read_text().replace("_flare_verify_probe", "P").splitlines() == [
        "def main():",
        "    P.loop_begins(net)",
        *["    clear()", "", "    step()  # one"] * 2,
        "    P.loop_ends()",
        "    done()",
    ]


def test_a_number_that_exceeds_the_count(tmp_path):
    (tmp_path / "train.py").write_text("for epoch in range(1, 10):\n    step()\n")
    instrument(conversion(1, SourceRange("train.py", 1, 22, 1, 24, beyond=1)), tmp_path, 2)
    assert "range(1, 3)" in (tmp_path / "train.py").read_text()


def test_loop_at_the_end_of_a_file_without_newline(tmp_path):
    (tmp_path / "train.py").write_bytes("# -*- coding: latin-1 -*-\r\n# \xe4\r\nwhile go(): step()".encode("latin-1"))
    instrument(conversion(3), tmp_path, 2)
    text = (tmp_path / "train.py").read_bytes().decode("latin-1")
    assert text.startswith("# -*- coding: latin-1 -*-\r\n# \xe4\r\n_flare_verify_probe.loop_begins(net)\n")
    assert text.endswith("while go(): step()\n_flare_verify_probe.loop_ends()\n")


def test_count_after_letters_of_several_bytes(tmp_path):
    (tmp_path / "train.py").write_text("for épôque in range(epochs): pass\n", encoding="utf-8")
    instrument(conversion(1, SourceRange("train.py", 1, 20, 1, 26)), tmp_path, 7)
    assert "for épôque in range(7): pass" in (tmp_path / "train.py").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("source", "place"),
    [
        ("import torch\nfor epoch in range(3):\n    pass\n", conversion(1)),
        (
            "for epoch in range(3):\n    if x:\n        pass\n",
            conversion(1, None, SourceRange("train.py", 1, end_line=2)),
        ),
    ],
)
def test_places_that_do_not_fit_are_an_error(tmp_path, source, place):
    (tmp_path / "train.py").write_text(source)
    with pytest.raises(UserError, match="run `apply` again"):
        instrument(place, tmp_path, 2)


def test_options_that_the_source_has(tmp_path):
    (tmp_path / "a.py").write_text("import b\nparser.add_argument('-e', '--epochs', type=int)\n")
    (tmp_path / "b.py").write_text("@click.option('--rounds')\ndef main(rounds): ...\n")
    (tmp_path / "other.py").write_text("parser.add_argument('--lr')\n")
    assert accepts(tmp_path / "a.py", "--epochs")
    assert accepts(tmp_path / "a.py", "--rounds")
    assert not accepts(tmp_path / "a.py", "--lr")
    (tmp_path / "book.ipynb").write_text("parser.add_argument('--lr')\n")
    assert accepts(tmp_path / "book.ipynb", "--lr") and not accepts(tmp_path / "book.ipynb", "--rounds")
