"""From an address to a provider: one module a source."""
