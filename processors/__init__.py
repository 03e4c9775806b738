"""From Belle-format events to candidates and histograms: schema, selection, vertexing, features, regions."""
