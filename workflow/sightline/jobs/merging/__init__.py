"""The jobs that make of many files a table or a file of all models."""
