"""The transformer as the paper has it, and its weights' names. Imports no other room."""
