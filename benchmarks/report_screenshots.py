"""Pictures of a report in both colour schemes, by headless Chromium, for a person to look at.

    python -m benchmarks.report_screenshots REPORT.html FOLDER [--chromium PROGRAM]

Chromium is no dependency of the project; `apt-get install chromium` brings it.
"""

from __future__ import annotations

import argparse
import subprocess
import tempfile
from pathlib import Path

VIEWS = {
    "top": ("*", (1280, 1800)),
    "narrow": ("*", (500, 1800)),
    "proofs": ("[aria-labelledby=proofs]", (1280, 1300)),
    "simulation": ("[aria-labelledby=simulation]", (1280, 1300)),
}
SCHEMES = {"light": (), "dark": ("--blink-settings=preferredColorScheme=0", "--force-dark-mode")}


def take(chromium: str, address: str, picture: Path, size: tuple[int, int], options: tuple[str, ...]) -> None:
    """Take a picture of a page, of as much as the window shows."""
    with tempfile.TemporaryDirectory() as profile:
        subprocess.run(
            [
                chromium, "--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars",
                f"--user-data-dir={profile}", f"--window-size={size[0]},{size[1]}", f"--screenshot={picture}",
                *options, address,
            ],
            check=True, capture_output=True, timeout=180,
        )  # fmt: skip


def main() -> None:
    """Write a picture for each scheme and view."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("report", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--chromium", default="chromium")
    args = parser.parse_args()
    args.folder.mkdir(parents=True, exist_ok=True)
    text = args.report.read_text(encoding="utf-8")
    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder) / "report.html"
        for scheme, options in SCHEMES.items():
            for name, (sections, size) in VIEWS.items():
                hidden = f"main > section:not({sections}) {{ display: none; }}"
                page.write_text(text.replace("</style>", f"{hidden}</style>", 1), encoding="utf-8")
                picture = args.folder.resolve() / f"{scheme}-{name}.png"
                take(args.chromium, page.as_uri(), picture, size, options)
                print(picture)


if __name__ == "__main__":
    main()
