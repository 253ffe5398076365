"""What tests of several folders share: the product as a user runs it, the hosts, installations, a terminal."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
"""The repository."""
CONTRIB = ROOT / "contrib"
