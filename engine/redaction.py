"""Take secrets out of what is shown: passwords in addresses, keys and tokens written in a source."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

HIDDEN = "[redacted]"
NAMES = r"(?:pass(?:word|wd|phrase)|pwd|secrets?|tokens?|credentials?|(?:api|access|secret|private)[_-]?key)"
_TEXT = r"""[rbuf]*)(['"])(?:(?!\2).)+\2"""  # a literal, after a group that it closes

_RULES = (
    # https://user:password@host
    (re.compile(r"(\b[a-z][\w+.-]*://)[^/\s@'\"]+@", re.IGNORECASE), rf"\1{HIDDEN}@"),
    # ?token=... in an address
    (re.compile(rf"([?&][\w-]*{NAMES}=|[?&]sig(?:nature)?=)[^&\s'\"]+", re.IGNORECASE), rf"\1{HIDDEN}"),
    # password = "...", {"api_key": "..."}, os.environ["TOKEN"] = "..."
    (re.compile(rf"((?<![a-z]){NAMES}(?![a-z])\w*['\"\])]*\s*[=:]\s*{_TEXT}", re.IGNORECASE), rf"\1\2{HIDDEN}\2"),
    # os.environ.get("TOKEN", "..."), add_argument("--token", default="...")
    (
        re.compile(rf"((?<![a-z]){NAMES}(?![a-z])\w*['\"],\s*(?:default=)?{_TEXT}", re.IGNORECASE),
        rf"\1\2{HIDDEN}\2",
    ),
    (re.compile(rf"(--[\w-]*{NAMES}[= ])(?!['\"{{<\[])\S+", re.IGNORECASE), rf"\1{HIDDEN}"),
    # the tokens of well-known services
    (re.compile(r"\b(?:sk-|gh[opsu]_|github_pat_|glpat-|hf_|xox[abpr]-|AKIA|ASIA|AIza)[\w-]{8,}"), HIDDEN),
    # long strings of letters and digits, as keys are; the body of a key file
    (re.compile(r"(['\"])(?=[^'\"]*\d)(?=[^'\"]*[A-Za-z])[A-Za-z0-9+/_=-]{32,}\1"), rf"\1{HIDDEN}\1"),
    (re.compile(r"^[A-Za-z0-9+/]{60,}={0,2}$", re.MULTILINE), HIDDEN),
)


_CERTAIN = re.compile(
    r"\b[a-z][a-z\d+.-]*://[^/\s:@'\"{}<>$]*:(?!(?i:pass(?:word|wd)?@|pwd@|secret@|\*|x+@))[^/\s@'\"{}<>$]+@"
    r"|\bhf_[A-Za-z\d]{30,}|\bgh[opsu]_[A-Za-z\d]{30,}|\bgithub_pat_\w{30,}|\bglpat-[\w-]{20,}"
    r"|\bsk-(?:[a-z]+-)?(?=[\w-]*\d)[A-Za-z\d_]{20,}|\bxox[abpr]-\d[\w-]{10,}|\bA[KS]IA[\dA-Z]{16}\b|\bAIza[\w-]{35}"
    r"|-----BEGIN (?:[A-Z]+ )?PRIVATE KEY-----(?:\s|\\n)+[A-Za-z\d+/]{40,}"
)


def certain_secrets(text: str) -> Iterator[tuple[int, int]]:
    """Where a text holds what can hardly be anything else: passwords in addresses, the tokens of well-known services.

    Yields:
        the offsets of the start and the end of each.
    """
    return (match.span() for match in _CERTAIN.finditer(text))


def redacted(value: Any) -> Any:
    """A text without secrets, or a JSON value whose texts are without."""
    if isinstance(value, dict):
        return {key: redacted(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [redacted(each) for each in value]
    if isinstance(value, str):
        for pattern, replacement in _RULES:
            value = pattern.sub(replacement, value)
    return value
