"""The retriever type for getmail6."""
