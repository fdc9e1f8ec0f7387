"""Where images come from, their order, and the shards that carry them."""
