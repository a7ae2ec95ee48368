"""What leaves the project: a trained model as functions, as a SavedModel, and in scikit-learn's pipelines."""
