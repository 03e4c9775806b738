"""pyhf's own validation workspaces and the CLs values that it publishes for them."""
