"""The multiclass boosted-decision-tree classifier: folds, weights, training, persistence and evaluation."""
