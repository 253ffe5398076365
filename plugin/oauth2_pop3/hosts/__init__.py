"""The mail retrievers that we plug into: one folder for each."""
