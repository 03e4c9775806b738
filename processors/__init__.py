"""From Belle-format events to candidates and histograms: schema, selection, combinatorics, vertexing, features, regions."""
