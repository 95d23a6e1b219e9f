"""The pages of the dashboard, one module each; `routes` lists them."""
