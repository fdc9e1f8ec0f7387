"""Artefacts of a model's maps, found by number: its patch grid, its borders, its corners."""
