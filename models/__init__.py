"""Theory, classifier, normalisation, signal model and statistics: array functions that know no event format."""
