"""Runs other tools on the pictures of restore_bench: `python peers.py FOLDER`.

FOLDER holds `N.png` and `cases.txt` with one line a picture: number, true width, true height, whether a background is
painted. For every tool that can be imported, `TOOL-N-CUT.png` is written, and `peers.txt` with a line
`time TOOL N CUT seconds`. unfake and proper-pixel-art take no size, but a whole number of picture pixels to a sprite
pixel; told, they get the true number rounded.

    pip install unfake==1.0.7 proper-pixel-art==2.0.0 Pillow
"""

import importlib.metadata
import pathlib
import sys
import time

from PIL import Image

folder = pathlib.Path(sys.argv[1])
cases = [line.split() for line in (folder / "cases.txt").read_text().splitlines()]


def pillow(path, size, cut):
    return Image.open(path).convert("RGBA").resize(size, Image.NEAREST)


def pillow_median_cut(path, size, cut):
    small = Image.open(path).convert("RGBA").resize(size, Image.NEAREST)
    alpha = small.getchannel("A")
    reduced = small.convert("RGB").quantize(24, method=Image.MEDIANCUT).convert("RGBA")
    reduced.putalpha(alpha)
    return reduced


def whole_scale(path, size):
    """Picture pixels to a sprite pixel, the mean of both axes, rounded: what tools that are told a scale take."""
    with Image.open(path) as picture:
        return max(1, round((picture.width / size[0] + picture.height / size[1]) / 2))


# An underscore in a name stands for a space.
tools = {
    "Pillow_nearest,_size_given": (pillow, "Pillow"),
    "Pillow_nearest_and_median_cut_24,_size_given": (pillow_median_cut, "Pillow"),
}
try:
    import unfake

    def run_unfake(path, size, cut, **options):
        result = unfake.process_image_sync(str(path), max_colors=32, transparent_background=cut, **options)
        image = result["image"] if isinstance(result, dict) else result
        return image if isinstance(image, Image.Image) else Image.fromarray(image)

    def run_unfake_told(path, size, cut):
        return run_unfake(path, size, cut, manual_scale=whole_scale(path, size))

    tools["unfake,_32_colours,_unknown_scale"] = (run_unfake, "unfake")
    tools["unfake,_32_colours,_scale_given"] = (run_unfake_told, "unfake")
except ImportError as error:
    print("unfake:", error, file=sys.stderr)
try:
    from proper_pixel_art.config import PixelateConfig
    from proper_pixel_art.image import pixelate

    def run_proper(path, size, cut, **options):
        image = Image.open(path).convert("RGBA")
        result = pixelate(image, PixelateConfig(scale_result=1, transparent_background=cut, **options))
        return result if isinstance(result, Image.Image) else result.image

    def run_proper_told(path, size, cut):
        return run_proper(path, size, cut, pixel_width=whole_scale(path, size))

    tools["proper-pixel-art,_unknown_scale"] = (run_proper, "proper-pixel-art")
    tools["proper-pixel-art,_scale_given"] = (run_proper_told, "proper-pixel-art")
except ImportError as error:
    print("proper-pixel-art:", error, file=sys.stderr)

with open(folder / "peers.txt", "w") as report:
    for name, (tool, package) in tools.items():
        print("version", name, importlib.metadata.version(package), file=report)
        for number, width, height, painted in cases:
            for cut in [False, True] if painted == "1" else [False]:
                if cut and name.startswith("Pillow"):
                    continue
                start = time.process_time()
                try:
                    result = tool(folder / f"{number}.png", (int(width), int(height)), cut)
                    seconds = time.process_time() - start
                    result.convert("RGBA").save(folder / f"{name}-{number}-{int(cut)}.png")
                except Exception as error:  # a tool that fails or gives an empty image has no result
                    print(name, number, repr(error)[:200], file=sys.stderr)
                    continue
                print("time", name, number, int(cut), f"{seconds:.4f}", file=report)
