"""Physics theory, classifier, normalisation, signal model, statistics: array functions that know no event format and no cluster."""
