"""Reading and writing files safely: whose they are, how they are replaced, and the locks."""
