"""What the tests of the pages let pass, and what they do not."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.docs.__main__ import shortened
from tests.docs.pages import commands
from tests.docs.sessions import agrees, run

PRINTED = "one\ntwo\nthree\nfour\n"

PAGE = """
```console
$ echo 1
1
$ false
$ echo $?
1
```

```bash
cd fixtures
ls \\
  -l
```

<!-- output of: cat file.txt -->
```text
...
```

<!-- file: file.txt -->
```text
$ not a command
```

```toml
[not]
```
"""


@pytest.mark.parametrize(
    ("documented", "agreed"),
    [
        (PRINTED, True),
        ("one\n...\nfour\n", True),
        ("...\n", True),
        ("one\ntwo\n\nthree\nfour\n", True),
        ("one\nfour\n", False),
        ("...\nfour\n...\none\n", False),
        ("  one\n...\n", False),
        ("...\nfive\n", False),
    ],
)
def test_lines_may_be_left_out_where_it_is_said(documented: str, agreed: bool) -> None:
    assert agrees(documented, PRINTED) is agreed


@pytest.mark.parametrize(
    ("documented", "printed", "agreed"),
    [
        ("took 12 s", "took 8.5 s", True),
        ("round  accuracy\n    1      0.91  best\n", "round  accuracy\n    1   0.90625\n", True),
        ("round  accuracy\n    1  0.91\n", "round  accuracy\n    2  0.91\n", False),
        ("everything /tmp/train-abc/x\n", "everything /tmp/train-xyz/y\n", True),
        ("3 findings\n", "4 findings\n", False),
    ],
)
def test_what_varies_from_run_to_run_may_differ(documented: str, printed: str, agreed: bool) -> None:
    assert agrees(documented, printed) is agreed


def test_commands_are_found_with_what_they_print() -> None:
    found = [(command.text, command.output, command.required) for command in commands(PAGE)]
    assert found == [
        ("echo 1", "1\n", False),
        ("false", None, False),
        ("echo $?", "1\n", False),
        ("cd fixtures", None, True),
        ("ls \\\n  -l", None, True),
        ("cat file.txt", "...\n", False),
        ("cat > file.txt <<'END OF FILE'\n$ not a command\nEND OF FILE", None, True),
    ]


def test_the_output_of_a_command_is_found_in_the_page() -> None:
    assert [PAGE[command.start : command.end] for command in commands(PAGE)] == [
        "1\n", "", "1\n", "", "", "...\n", "$ not a command\n",
    ]  # fmt: skip


def test_commands_share_a_shell_among_the_fixtures(tmp_path: Path) -> None:
    page = "```console\n$ false\n$ echo $?\n1\n$ cd fixtures/digits\n$ ls\nsource\n$ ls nothing\n...\n```\n"
    printed = run(commands(page), tmp_path)
    assert printed[1] == "1\n"
    assert "source\n" in printed[3]
    assert "nothing" in printed[4]


def test_a_command_that_has_to_succeed_and_fails_is_reported_with_its_line(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="line 3 fails: .*nothing"):
        run(commands("```bash\ntrue\nls nothing\ntrue\n```\n"), tmp_path)


def test_an_output_is_shortened_as_it_was_before() -> None:
    assert (
        shortened("zero\none\ntwo\nnew\nfour\nfive\n", "...\ntwo\nthree\nfour\n...\n") == "...\ntwo\nnew\nfour\n...\n"
    )
    assert shortened("one\ntwo\nthree\n", "one\n...\nthree\n") == "one\n...\nthree\n"
    assert shortened("new\n", "old\n") == "new\n"
