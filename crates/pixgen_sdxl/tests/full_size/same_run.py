"""Measures ours and the peers one after another on one card and prints the table of ratios.

usage: same_run.py GPU_SPEED MODEL FOLDER

    cargo build --release -p pixgen_sdxl --features cudnn --example gpu_speed
    python same_run.py target/release/examples/gpu_speed FOLDER/model FOLDER

GPU_SPEED is that program, MODEL what `make_reference.py` wrote. What each has measured lies in FOLDER afterwards, one JSON
object a line. Takes about ten minutes; half of it is torch.compile's.
"""

import pathlib
import subprocess
import sys
import time

import table

HERE = pathlib.Path(__file__).parent


def main():
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    program, model, folder = sys.argv[1], sys.argv[2], pathlib.Path(sys.argv[3])
    python = [sys.executable, str(HERE / "peers.py")]
    runs = {
        "ours": [program, model, "f16"],
        "eager": [*python, "eager", "vae", "whole"],
        "ours_fp8": [program, model, "f16", "--fp8"],
        "compiled": [*python, "compiled"],
    }
    files, failed = [], []
    for name, command in runs.items():
        file, began = folder / f"{name}.jsonl", time.monotonic()
        with open(file, "w", encoding="utf-8") as to:
            code = subprocess.run(command, stdout=to).returncode
        files.append(file)
        print(f"{name}: {time.monotonic() - began:.0f} s, exit {code}", file=sys.stderr, flush=True)
        if code != 0:
            failed.append(name)
        # What is there so far, should the rest be cut off.
        table.write(files)
    if failed:
        sys.exit(f"these did not finish: {failed}")


if __name__ == "__main__":
    main()
