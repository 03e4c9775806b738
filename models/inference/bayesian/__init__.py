"""Bayesian limits: what draws, integrates and checks the posterior of the cross-section."""
