"""Who the providers are: the built-in table, how a row is read, scopes, and MX records."""
