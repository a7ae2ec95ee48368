"""Networks that turn images into features, for measures that compare sets of images."""
