"""Whether explanations hold: checks that need no opinion of what a good one looks like."""
