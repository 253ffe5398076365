"""oauth2-pop3: OAuth 2.0 for POP3 mail retrievers. Empty on purpose: every start of `token` imports it."""
