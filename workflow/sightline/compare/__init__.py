"""Do the models agree? Similarity, dissimilarity, agreement and structure."""
