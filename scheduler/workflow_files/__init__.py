"""Workflow files: parsing, linting and printing them."""
