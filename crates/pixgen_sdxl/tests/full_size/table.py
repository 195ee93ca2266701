"""Prints the table of ratios from what `examples/gpu_speed.rs` and `peers.py` have measured.

usage: table.py FILE...

    cargo run --release -p pixgen_sdxl --features cudnn --example gpu_speed -- MODEL f16 > ours.jsonl
    python peers.py > peers.jsonl
    python table.py ours.jsonl peers.jsonl

`same_run.py` does all of it. Each cell of a peer: its time, and how many times ours it is.
"""

import json
import sys

OURS = "pixgen_sdxl"
# What is said of a row besides its time.
SIZES = ("what", "px", "batch", "steps", "cfg")


def rows(paths):
    for path in paths:
        with open(path, encoding="utf-8") as file:
            for line in file:
                if line.startswith("{"):
                    yield json.loads(line)


def name(row):
    guided = {True: ", guided", False: ", unguided", None: ""}[row.get("cfg")]
    steps = f" of {row['steps']} steps" if "steps" in row else ""
    size = f", {row['px']}², batch {row['batch']}" if "px" in row else ""
    return f"{row['what']}{steps}{size}{guided}"


def write(paths):
    times, engines = {}, [OURS]
    for row in rows(paths):
        # A name for people is for people: "without text encoders" is in it.
        engine = row.get("engine")
        if engine is None:
            continue
        if engine not in engines:
            engines.append(engine)
        times.setdefault(tuple(row.get(key) for key in SIZES), [name(row), {}])[1][engine] = row["ms"]
    print("| work | " + " | ".join(engines) + " |")
    print("|---" * (len(engines) + 1) + "|")
    for label, found in times.values():
        ours = found.get(OURS)
        if ours is None:
            continue
        cells = [f"{ours:.1f} ms"]
        for engine in engines[1:]:
            theirs = found.get(engine)
            cells.append("" if theirs is None else f"{theirs:.1f} ms ({theirs / ours:.2f}×)")
        print(f"| {label} | " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    write(sys.argv[1:])
