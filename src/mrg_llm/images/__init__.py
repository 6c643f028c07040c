"""Image files -> films."""

import numpy as np
from PIL import Image


def read_film(path):
    return np.asarray(Image.open(path).convert("L")).astype(np.float32) / 255
