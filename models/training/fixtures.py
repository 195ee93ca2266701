"""Draws six prompts with the real diffusers pipeline, for the test that holds our engine against it.

usage: fixtures.py MODEL_DIR OUT_DIR          (run again whenever the model changes)
"""

import os
import sys

from PIL import Image

from sheet import draw, pipeline

# File name, prompt, size in pixels, seed.
CASES = [
    ("potion", "item, a blue potion", 32, 1),
    ("dragon", "monster, a red dragon", 32, 2),
    ("warrior", "character, a red warrior", 32, 3),
    ("grass", "tile, a grass floor", 32, 4),
    ("key", "item, a golden key", 16, 5),
    ("slime", "monster, a green slime, facing left!", 16, 4294967295),
]


def main():
    model, out = sys.argv[1:3]
    os.makedirs(out, exist_ok=True)
    pipe = pipeline(model, "cpu")
    for name, prompt, size_px, seed in CASES:
        image = draw(pipe, [prompt], [seed], size_px, steps=8, guidance=3)[0]
        Image.fromarray(image, "RGBA").save(os.path.join(out, f"{name}.png"))


if __name__ == "__main__":
    main()
