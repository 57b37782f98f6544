"""What is taken from the quality benchmark: where datasets are, and which rows are near-duplicates."""

import sys
from pathlib import Path

# Last, so that modules of equal names are those of this folder.
sys.path.append(str(Path(__file__).resolve().parents[1] / "quality"))

from features import data, grouping  # noqa: E402

__all__ = ["data", "grouping"]
