"""The ways to a token: one module a grant (RFC 6749 section 1.3)."""
