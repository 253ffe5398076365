"""What both servers of the sandbox stand on."""
