"""Names of files and folders in the folder of a run that reports read or are."""

REPORT = "report.html"  # the report itself
RECORD = "run.json"  # when and where the run was trained (tf_sintrovae.training.run_record)
COMPONENTS = "components.json"  # how the components are used (component_use.py)
FIGURES = "figures"  # folder of drawings of the trained model
SNAPSHOTS = (
    "snapshots"  # folder of drawings of a model in training, which are newer where there are any
)
