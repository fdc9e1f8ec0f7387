"""One module a measure; `sightline.compare.catalogue` says what each is."""
