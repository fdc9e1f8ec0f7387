"""Does a property of the models explain how far apart they are? Tests by permutation."""
