"""The data sets by name; each module's `load` makes a `Source`."""
