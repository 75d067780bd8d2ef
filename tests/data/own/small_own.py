"""Small folders and tables of a user's own."""

import numpy as np
from PIL import Image

COLOURS = {"green": (40, 200, 60), "red": (210, 40, 50), "blue": (30, 60, 220)}


def write_picture(path, colour, number, mode="RGB", size=None):
    """Writes a noisy picture of a colour; another number gives another size and other noise."""
    path.parent.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(number)
    width, height = size or random.integers(20, 90, 2)
    noise = random.integers(-30, 30, (height, width, 3))
    pixels = np.clip(np.array(COLOURS[colour]) + noise, 0, 255).astype(np.uint8)
    Image.fromarray(pixels).convert(mode).save(path)


def write_pictures(folder, count=12, classes=COLOURS):
    """Writes as many pictures of each class, a folder for each."""
    for offset, colour in enumerate(classes):
        for number in range(count):
            suffix = ("jpg", "png", "webp", "bmp", "gif")[number % 5]
            write_picture(folder / colour / f"{number}.{suffix}", colour, 1000 * offset + number)
    return folder
