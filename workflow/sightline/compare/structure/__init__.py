"""Groups among models, from one matrix of dissimilarities and its bootstrap replicates."""
