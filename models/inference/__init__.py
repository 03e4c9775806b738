"""The statistical model of one mass point and the inference on it."""
