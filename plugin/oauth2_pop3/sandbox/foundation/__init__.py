"""What both servers of the sandbox share: acts, and a TCP server on loopback."""
