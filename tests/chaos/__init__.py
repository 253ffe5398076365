"""Kills, full disks and long fuzzing, each a program: not collected by the daily suite."""
