"""Moving the configuration files of mail retrievers to OAuth 2.0: which files, which accounts, by which provider."""
