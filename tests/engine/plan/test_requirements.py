"""What a site has to install."""

from __future__ import annotations

from pathlib import Path

from engine.plan.requirements import requirements
from engine.source import Project

CLIENT = b"""\
import os
import nvflare.client as flare
import torch.nn as nn, numpy
from sklearn.datasets import load_digits
from model import Net
from nets.parts import block
from . import sibling
def show():
    import cv2
    from my_thing import x
"""
FILES = {"client.py": CLIENT, "model.py": b"import torch", "nets/parts.py": b"from PIL import Image", "a.json": b"{"}


def project(folder: Path, own: str = "") -> Project:
    (folder / "train.py").write_text("pass\n")
    if own:
        (folder / "requirements.txt").write_text(own)
    return Project(folder / "train.py")


def test_what_is_imported_from_elsewhere_is_required(tmp_path: Path) -> None:
    expected = ["my_thing", "numpy", "nvflare>=2.9", "opencv-python", "pillow", "scikit-learn", "torch"]
    assert requirements(project(tmp_path), FILES).splitlines() == expected


def test_versions_are_those_of_the_project(tmp_path: Path) -> None:
    own = (
        "-r more.txt\n# all of it\nTorch>=2.1,<3  # for compile\nscikit_learn ==1.4\npandas\n"
        "git+https://x/numpy\nmy.thing[all]\n"
    )
    expected = [
        "my.thing[all]",
        "numpy",
        "nvflare>=2.9",
        "opencv-python",
        "pillow",
        "scikit_learn ==1.4",
        "Torch>=2.1,<3",
    ]
    assert requirements(project(tmp_path, own), FILES).splitlines() == expected
