"""Feature networks: they turn images into features, for metrics that compare sets of images."""
