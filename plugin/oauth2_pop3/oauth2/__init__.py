"""The authorization server's endpoints, and what they return."""
