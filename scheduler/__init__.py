"""Running the analysis: datasets, Dask clusters, restartable steps and the command line."""
