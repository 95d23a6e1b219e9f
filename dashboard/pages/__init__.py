"""The pages of the window, one module each; `routes` puts them together."""
