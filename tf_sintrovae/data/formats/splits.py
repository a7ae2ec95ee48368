"""What the readers of archives give for a split."""

import numpy as np

# Images x [N, H, W, C] uint8 and labels y [N].
LabelledImages = tuple[np.ndarray, np.ndarray]
