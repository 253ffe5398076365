"""One module for each command: it reads the arguments and prints, and decides nothing."""
