"""The POP3 server: the socket, the session, signing in, and what its responses mean."""
