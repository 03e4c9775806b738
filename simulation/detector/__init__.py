"""A parametrised Belle detector: material, tracks, identification, photons and π⁰ candidates, all in array code."""
