"""Who the providers are: the built-in table, the rows of one's own, scopes, and MX records."""
