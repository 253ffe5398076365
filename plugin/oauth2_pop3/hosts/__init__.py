"""The mail retrievers that sign in by way of us: one module a host."""
