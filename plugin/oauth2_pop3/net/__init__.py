"""TLS and HTTPS: the only way out of this machine, apart from the POP3 connection itself and the DNS."""
