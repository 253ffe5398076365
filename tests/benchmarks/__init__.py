"""Benchmarks, each a program. A package, or else `token` would be taken for the standard library's module."""
