"""From an unknown address to a provider: one module for each source, and the order in which they are asked."""
