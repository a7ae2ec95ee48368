"""What an exported model generates: samples, reconstructions, interpolations, and the files of them."""
