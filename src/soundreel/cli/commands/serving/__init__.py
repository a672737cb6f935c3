"""The commands that serve others: people and programs over HTTP."""
