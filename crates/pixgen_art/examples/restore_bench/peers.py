"""Runs other tools on the pictures of restore_bench: `python peers.py FOLDER`.

FOLDER holds `N.png` and `cases.txt` with one line a picture: number, true width, true height, whether a background is
painted. For every tool that can be imported, `TOOL-N.png` is written, and `peers.txt` with a line `TOOL N seconds`.

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


tools = {
    "pillow-nearest": (pillow, "Pillow"),
    "pillow-nearest-mediancut24": (pillow_median_cut, "Pillow"),
}
try:
    import unfake

    def run_unfake(path, size, cut):
        result = unfake.process_image_sync(str(path), max_colors=32, transparent_background=cut)
        image = result["image"] if isinstance(result, dict) else result
        return image if isinstance(image, Image.Image) else Image.fromarray(image)

    tools["unfake"] = (run_unfake, "unfake")
except ImportError as error:
    print("unfake:", error, file=sys.stderr)
try:
    from proper_pixel_art.config import PixelateConfig
    from proper_pixel_art.image import pixelate

    def run_proper(path, size, cut):
        image = Image.open(path).convert("RGBA")
        result = pixelate(image, PixelateConfig(scale_result=1, transparent_background=cut))
        return result if isinstance(result, Image.Image) else result.image

    tools["proper-pixel-art"] = (run_proper, "proper-pixel-art")
except ImportError as error:
    print("proper-pixel-art:", error, file=sys.stderr)

with open(folder / "peers.txt", "w") as report:
    for name, (tool, package) in tools.items():
        print("version", name, importlib.metadata.version(package), file=report)
        for number, width, height, painted in cases:
            for cut in [False, True] if painted == "1" else [False]:
                if cut and name.startswith("pillow"):
                    continue
                start = time.perf_counter()
                try:
                    result = tool(folder / f"{number}.png", (int(width), int(height)), cut)
                except Exception as error:  # a tool that fails has no result
                    print(name, number, repr(error)[:200], file=sys.stderr)
                    continue
                seconds = time.perf_counter() - start
                result.convert("RGBA").save(folder / f"{name}-{number}-{int(cut)}.png")
                print("time", name, number, int(cut), f"{seconds:.4f}", file=report)
