"""Answers to a study's questions, in words and numbers, as one page."""
