"""The POP3 server, from the socket to a whole run."""
