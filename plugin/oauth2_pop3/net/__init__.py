"""TLS and HTTPS: the only way out of this machine, apart from POP3's own connection."""
