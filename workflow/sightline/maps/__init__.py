"""The store of saliency maps, and bringing maps of different models together."""
