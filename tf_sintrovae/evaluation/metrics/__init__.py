"""Metrics of models and samples; each a function of arrays that returns a dict."""
