"""One account: its configuration, its provider and its tokens together; and whether it works."""
