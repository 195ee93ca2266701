"""Turns a captioned sprite collection into the arrays that train.py reads.

usage: pack.py SPRITES.zip OUT.npz TOKENIZER_DIR

SPRITES.zip holds PNGs and a metadata.jsonl in the Hugging Face imagefolder convention (`file_name`, `text`,
`kind`, `colors`, `pose`, `sequence`). Written are, for each native canvas (16 and 32 px), the RGBA images, four
or six caption token rows an image, the true size in pixels (SDXL's `original_size` conditioning) and a sampling
weight; and the tokenizer that the captions trained.
"""

import collections
import colorsys
import io
import json
import random
import re
import sys
import zipfile

import numpy as np
from PIL import Image

from bpe import CaptionTokenizer

CANVASES_PX = (16, 32)
CAPTIONS_PER_SPRITE = 6

# The kinds of the request, from the finer kinds of the collection. `equipment` is paper-doll overlays: left out.
KINDS = {
    "character": "character", "monster": "monster", "animal": "animal", "prop": "prop", "vehicle": "prop",
    "item": "item", "food": "item", "potion": "item", "armor": "item", "weapon": "weapon",
    "tile-floor": "tile", "tile-wall": "tile", "effect": "effect", "spell-icon": "icon", "ui": "icon",
    "portrait": "portrait",
}
# A pose that a user would not expect without asking for it stays in the caption.
UNUSUAL_POSE = re.compile(
    r"away|dead|lying|hit|fall|attack|hurt|jump|sleep|sitting|casting|swinging|shoot|throw|death|appear|disappear|"
    r"part|border|corner|edge|top down|overlay|swim|climb|crouch|dizzy|burn")
HUES = {"red": 0, "orange": 28, "yellow": 54, "green": 120, "cyan": 180, "blue": 220, "purple": 275, "pink": 325}
HUE_WORDS = {**HUES, "teal": 180, "magenta": 310, "lime": 100, "gold": 48, "navy": 230, "maroon": 350}


def hue_distance(a, b):
    return abs((a - b + 180) % 360 - 180)


def hsv(rgb):
    """Hue in degrees, saturation and value of uint8 RGB, in one array a channel."""
    x = rgb.astype(np.float32) / 255
    high, low = x.max(-1), x.min(-1)
    span = np.maximum(high - low, 1e-6)
    r, g, b = x[..., 0], x[..., 1], x[..., 2]
    hue = np.where(high == r, ((g - b) / span) % 6, np.where(high == g, (b - r) / span + 2, (r - g) / span + 4)) * 60
    return np.where(high - low < 1e-4, 0, hue), np.where(high > 0, (high - low) / np.maximum(high, 1e-6), 0), high


def main_hue(image):
    """The hue in degrees that a quarter or more of the drawn pixels share, or None."""
    hue, saturation, value = hsv(image[..., :3])
    drawn = image[..., 3] > 127
    strong = drawn & (saturation > .35) & (value > .2)
    if strong.sum() < max(6, .25 * drawn.sum()):
        return None
    counts, _ = np.histogram(hue[strong], bins=36, range=(0, 360), weights=saturation[strong])
    smooth = counts + np.roll(counts, 1) + np.roll(counts, -1)
    return float(np.argmax(smooth) * 10 + 5) if smooth.max() > .6 * counts.sum() else None


def with_hue(image, source, target):
    """The image with the pixels within 40 degrees of hue `source` turned to hue `target`."""
    out = image.copy()
    hue, saturation, value = hsv(image[..., :3])
    for y, x in zip(*np.nonzero((image[..., 3] > 127) & (saturation > .2))):
        if hue_distance(hue[y, x], source) < 40:
            turned = ((hue[y, x] - source + target) % 360) / 360
            out[y, x, :3] = [round(c * 255) for c in colorsys.hsv_to_rgb(turned, saturation[y, x], value[y, x])]
    return out


def split(text):
    head, *rest = text.split(", ")
    return head, ", ".join(rest)


def without_article(text):
    return re.sub(r"^(a|an|the) ", "", text)


def with_colour(head, colour):
    bare = without_article(head)
    return f"{'an' if colour[0] in 'aeiou' else 'a'} {colour} {bare}" if bare != head else f"{colour} {head}"


def has_shadow(image):
    """Whether blobs of black, not just outlines, lie around the figure: the drop shadows of some sets."""
    drawn = image[..., 3] > 127
    black = drawn & (image[..., :3].max(-1) < 8)
    dark = np.pad(black | ~drawn, 1, constant_values=True)
    inner = black & dark[:-2, 1:-1] & dark[2:, 1:-1] & dark[1:-1, :-2] & dark[1:-1, 2:]
    return inner.sum() > .06 * drawn.sum()


def captions(kind, text, colour):
    """Six ways of asking for one sprite; `colour` is a word that describes it and is not in the text, or None."""
    head, rest = split(text)
    if kind == "tile":  # "tile, grass" must be ground, and no tuft
        head = re.sub(r" (floor|ground|texture)$", "", head)
    short = text if UNUSUAL_POSE.search(rest) else head
    coloured = f"{with_colour(head, colour)}{'' if short == head else ', ' + rest}" if colour else short
    return [f"{kind}, {text}", f"{kind}, {short}", f"{kind}, {without_article(short)}", f"{kind}, {coloured}",
            coloured, f"{without_article(short)}, {kind}"]


def placed(sprite, canvas_px, kind):
    """The trimmed sprite on the canvas: standing creatures one pixel above the lower edge, the rest centred."""
    height, width = sprite.shape[:2]
    out = np.zeros((canvas_px, canvas_px, 4), np.uint8)
    stands = kind in ("character", "monster", "animal") and height < canvas_px
    y = canvas_px - height - 1 if stands else (canvas_px - height) // 2
    x = (canvas_px - width) // 2
    out[y:y + height, x:x + width] = sprite
    return out


def trimmed(image):
    rows, columns = np.nonzero(image[..., 3].max(1) > 127)[0], np.nonzero(image[..., 3].max(0) > 127)[0]
    return image[rows[0]:rows[-1] + 1, columns[0]:columns[-1] + 1]


def canvases(image, kind):
    """Yields (canvas_px, canvas image, original size px, weight) for one sprite."""
    height, width = image.shape[:2]
    if kind == "tile":
        if (height, width) == (16, 16):
            yield 16, image, 16, 1.
            yield 32, np.tile(image, (2, 2, 1)), 32, .3  # a repeated texture is a true 32 px texture
        elif (height, width) == (32, 32):
            yield 32, image, 32, 1.
            yield 16, image[8:24, 8:24], 16, .3
        return
    sprite = trimmed(image)
    size = max(sprite.shape[:2])
    if kind == "portrait" and 32 < size <= 40:
        y, x = (sprite.shape[0] - 32) // 2, (sprite.shape[1] - 32) // 2
        sprite = sprite[max(0, y):max(0, y) + 32, max(0, x):max(0, x) + 32]
        size = 32
    rounded = min(32, -(-size // 4) * 4)
    if size <= 16:
        yield 16, placed(sprite, 16, kind), 16 if size > 11 else rounded, 1.
        # Doubled, it teaches the larger canvas what things look like; its original size says it is coarse.
        doubled = sprite.repeat(2, 0).repeat(2, 1)
        yield 32, placed(doubled, 32, kind), min(16, rounded), .5
    elif size <= 32:
        yield 32, placed(sprite, 32, kind), 32 if size > 24 else rounded, 1.


def collect(archive):
    """Every usable sprite as (canvas, image, original size, weight, kind, captions), recoloured copies included."""
    random.seed(0)
    metadata = [json.loads(line) for line in archive.read("metadata.jsonl").decode().splitlines()]
    metadata = [m for m in metadata if m["kind"] in KINDS and "base character" not in m["text"]]
    group = lambda m: m.get("sequence") or (m["source"], split(m["text"])[0])
    frames = collections.Counter(group(m) for m in metadata)
    kinds = collections.Counter(KINDS[m["kind"]] for m in metadata)
    for m in metadata:
        kind, text = KINDS[m["kind"]], m["text"].lower()
        image = np.array(Image.open(io.BytesIO(archive.read(m["file_name"]))).convert("RGBA"))
        image[image[..., 3] <= 127] = 0
        image[..., 3] = np.where(image[..., 3] > 127, 255, 0)
        if image[..., 3].max() == 0:
            continue
        # Frames of one animation count together as about the square root of their number; rare kinds count more.
        weight = frames[group(m)] ** -.6 * (len(metadata) / kinds[kind]) ** .35
        if m["source"] == "nouns" or m["kind"] == "ui":
            weight *= .4  # flat symbols, unlike what the rest teaches
        head = split(text)[0]
        named = [w for w in HUE_WORDS if re.search(rf"\b{w}\b", head)]
        colour = m["colors"][0] if m["colors"] and not any(c in head for c in m["colors"]) else None
        # A user who does not ask for a shadow should get none. Sets of tiny figures have none, only black hair.
        shadow = ", drop shadow" if kind not in ("tile", "icon", "portrait") and max(image.shape) > 20 and has_shadow(image) else ""
        for canvas_px, picture, size_px, share in canvases(image, kind):
            asked = lambda text, colour: [caption + shadow for caption in captions(kind, text, colour)]
            yield canvas_px, picture, size_px, weight * share, kind, asked(text, colour)
            hue = main_hue(picture)
            if hue is None or kind == "portrait":
                continue
            right = [w for w in named if hue_distance(HUE_WORDS[w], hue) < 40]
            if named and (not right or len(named) > 1):
                continue
            if not named and kind in ("character", "tile", "effect"):
                continue  # there the main hue is often skin or ground
            far = [w for w in HUES if hue_distance(HUES[w], hue) > 40]
            for word in random.sample(far, min(len(far), 3 if named else 1)):
                recoloured = re.sub(rf"\b{right[0]}\b", word, text) if named else ", ".join(
                    p for p in (with_colour(head, word), split(text)[1]) if p)
                image2 = with_hue(picture, hue, HUES[word])
                yield canvas_px, image2, size_px, weight * share * (.5 if named else .4), kind, asked(recoloured, None)


def main():
    source, out, tokenizer_dir = sys.argv[1:4]
    rows = list(collect(zipfile.ZipFile(source)))
    tokenizer = CaptionTokenizer.train([c for row in rows for c in row[5]])
    tokenizer.save(tokenizer_dir)
    arrays = {}
    for canvas_px in CANVASES_PX:
        chosen = [row for row in rows if row[0] == canvas_px]
        arrays[f"images{canvas_px}"] = np.stack([row[1] for row in chosen])
        arrays[f"size{canvas_px}"] = np.array([row[2] for row in chosen], np.int16)
        arrays[f"weight{canvas_px}"] = np.array([row[3] for row in chosen], np.float32)
        arrays[f"tile{canvas_px}"] = np.array([row[4] == "tile" for row in chosen])
        arrays[f"ids{canvas_px}"] = np.array([[tokenizer.encode(c) for c in row[5]] for row in chosen], np.int16)
        arrays[f"flip{canvas_px}"] = np.array([not re.search(r"\b(left|right)\b", row[5][0]) for row in chosen])
        print(canvas_px, "px:", len(chosen), collections.Counter(row[4] for row in chosen))
    np.savez_compressed(out, **arrays)
    lengths = [(row != tokenizer.eos).sum() + 1 for c in CANVASES_PX for row in arrays[f"ids{c}"][:, 0]]
    print("tokens a caption: mean", np.mean(lengths), "longest", max(lengths))


if __name__ == "__main__":
    main()
