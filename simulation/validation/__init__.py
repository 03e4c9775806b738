"""Does the simulated detector do what its configuration says? Single particles and known resonances, measured."""
