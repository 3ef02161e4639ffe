"""FLR307: a password, key or token in the source."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from engine.redaction import certain_secrets
from engine.result import Result
from rules.base import Invalid, ProgramRule

if TYPE_CHECKING:
    from engine.facts import Facts
    from engine.result import Place
    from engine.source import SourceFile


class SecretInSource(ProgramRule):
    """
    ## What it does
    Warns of a password in an address and of the tokens of well-known services, in the code and the comments of the
    program. The secret itself is not shown.

    ## Why is this bad
    The converted program is sent to every site, and what stands in it with it.

    ## Example
    ```python
    data = read("https://me:a7Gh2k@example.org/data")
    ```

    ## Remedy
    Read it from the environment of each site (`os.environ["DATA_PASSWORD"]`), and change it where it was passed on.

    ## Fix safety
    There is no fix: where a site has the secret is for its owner to say.

    ## References
    - [CWE-798: hard-coded credentials](https://cwe.mitre.org/data/definitions/798.html)
    """

    CODE = "FLR307"
    MESSAGE = "A password, key or token stands in the source, which is sent to every site."
    REMEDY = "Read it from the environment of each site, and change it where it was passed on."
    VALID = [
        "import torch\nstate = read('https://example.org/w.pt', os.environ['TOKEN'])",
        "import torch\nstate = read(f'https://{user}:{password}@example.org/w.pt')",
        "import torch\n# git clone ssh://git@example.org/a, or https://<user>:<password>@example.org/a",
        "import torch\nhf_model_name_or_path = 'sk-learn-like-things'",
    ]
    INVALID = [
        Invalid("import torch\nstate = read('https://me:a7Gh2k@example.org/w.pt')"),
        Invalid("import torch\n# the data: s3://me:a7Gh2k@bucket/data"),
        Invalid("import torch\nlogin('hf_aB3dE6gH9jK2mN5pQ8sT1vW4yZ7bC0eF3h')"),
        Invalid("import torch\nos.environ['AWS_ACCESS_KEY_ID'] = 'AKIAIOSFODNN7EXAMPLE'"),
    ]

    @classmethod
    def check(cls, facts: Facts) -> Iterator[Result]:
        """Every secret in the files of the program that were read."""
        for file in facts.project.files.values():
            for start, end in certain_secrets(file.text):
                place = at(file, start)
                yield Result(cls.__name__, cls.MESSAGE, cls.CODE, place, at(file, end), cls.REMEDY,
                             source=file.line(place.line))  # fmt: skip


def at(file: SourceFile, offset: int) -> Place:
    """The place of an offset into the text of a file."""
    before = file.text[:offset].replace("\r\n", "\n").replace("\r", "\n")
    return file.at(before.count("\n") + 1, len(before) - before.rfind("\n") - 1)
