"""The steps of the analysis, each restartable and done only when something it depends on has changed."""
