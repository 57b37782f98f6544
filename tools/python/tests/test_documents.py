"""The code of the README runs, and so does the example."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

PLACE = Path(__file__).resolve().parents[1]


def test_code_of_the_readme_runs(tmp_path):
    blocks = re.findall(r"```python\n(.*?)```", (PLACE / "README.md").read_text(), re.DOTALL)
    assert len(blocks) >= 4
    program = "\n".join(blocks)
    # In an empty folder: the page takes nothing for granted.
    ran = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    assert "bad_query" in ran.stdout


def test_the_example_finds_what_it_draws(tmp_path):
    ran = subprocess.run([sys.executable, PLACE / "examples/own_features.py"], cwd=tmp_path, capture_output=True, text=True, env={**os.environ, "OUT": str(tmp_path / "out")})
    assert ran.returncode == 0, ran.stderr
    assert "4 of 4 hits are blue" in ran.stdout, ran.stdout
