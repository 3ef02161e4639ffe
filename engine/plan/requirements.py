"""What has to be installed where the job runs: the distributions that the client and the server's model import."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from engine.facts.source_text import imported_modules
from engine.source import Project

REQUIREMENTS = "requirements.txt"
NVFLARE = "nvflare>=2.9"
DISTRIBUTIONS = {  # where a distribution is not called as what is imported from it
    "attr": "attrs", "bs4": "beautifulsoup4", "cv2": "opencv-python", "dateutil": "python-dateutil",
    "Levenshtein": "python-Levenshtein", "mpl_toolkits": "matplotlib", "OpenSSL": "pyOpenSSL", "PIL": "pillow",
    "pytorch_lightning": "pytorch-lightning", "serial": "pyserial", "SimpleITK": "SimpleITK", "skimage": "scikit-image",
    "sklearn": "scikit-learn", "umap": "umap-learn", "yaml": "PyYAML",
}  # fmt: skip
NAME = re.compile(r"\s*([A-Za-z0-9][A-Za-z0-9._-]*)")


def requirements(project: Project, files: Mapping[str, bytes]) -> str:
    """The content of ``requirements.txt``.

    Args:
        project: its own ``requirements.txt`` says the versions, as far as it does.
        files: what is written, by path in the converted folder.

    Returns:
        One requirement a line, sorted by name.
    """
    local = {PurePosixPath(name).parts[0].removesuffix(".py") for name in files}
    sources = [content for name, content in files.items() if name.endswith(".py")]
    modules = {name for source in sources for name in imported_modules(ast.parse(source))}
    imported = {name.partition(".")[0] for name in modules} - local - sys.stdlib_module_names
    known = _own(project)
    names = {DISTRIBUTIONS.get(module, module) for module in imported}
    lines = {_normal(name): known.get(_normal(name), name) for name in names} | {"nvflare": NVFLARE}
    return "".join(f"{lines[name]}\n" for name in sorted(lines))


def _own(project: Project) -> dict[str, str]:
    """The requirements of the project that name a distribution, by its normal name."""
    found: dict[str, str] = {}
    for folder in dict.fromkeys([project.entry.path.parent, project.root]):
        path = Path(folder) / REQUIREMENTS
        if not path.is_file():
            continue
        for line in path.read_text(encoding="utf-8", errors="ignore").splitlines():
            text = line.partition(" #")[0].strip()
            name = NAME.match(text)
            if name and "://" not in text:
                found.setdefault(_normal(name[1]), text)
    return found


def _normal(name: str) -> str:
    """A distribution's name as indexes compare it (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()
