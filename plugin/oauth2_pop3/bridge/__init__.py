"""A POP3 server for clients that know only USER and PASS."""
