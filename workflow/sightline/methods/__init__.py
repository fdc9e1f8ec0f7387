"""Explanation methods: one function each, catalogued with settings and cost."""
