"""The servers to test against: software that nobody here wrote, each behind a small class."""
