"""Recipes: typed TOML files, one per experiment."""
