"""A whole run through a maildrop: fetching ahead, going on after a lost connection, deleting."""
