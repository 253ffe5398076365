"""Moving a mail retriever's configuration file to OAuth 2.0."""
