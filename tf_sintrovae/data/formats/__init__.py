"""Files and archives of data sets: how they are found, checked and turned into arrays."""
