"""The reference reader of GGUF's blocks as a peer: `gguf_quants.py SEED BLOCKS FOLDER`.

For each type it writes random blocks to FOLDER/TYPE.blocks and what they are, as little-endian floats, to FOLDER/TYPE.f32.
Scales are finite halves of moderate size; all other bytes are whatever comes.
"""

import pathlib
import sys

import numpy as np
from gguf import GGML_QUANT_SIZES, GGMLQuantizationType as Type
from gguf.quants import dequantize

# Where each block has its scales of 16 bits.
SCALES = {
    "Q4_0": [0], "Q4_1": [0, 2], "Q5_0": [0], "Q5_1": [0, 2], "Q8_0": [0],
    "Q2_K": [80, 82], "Q3_K": [108], "Q4_K": [0, 2], "Q5_K": [0, 2], "Q6_K": [208],
}


def main():
    seed, count, folder = int(sys.argv[1]), int(sys.argv[2]), pathlib.Path(sys.argv[3])
    random = np.random.default_rng(seed)
    for name, places in SCALES.items():
        kind = Type[name]
        blocks = random.integers(0, 256, (count, GGML_QUANT_SIZES[kind][1]), dtype=np.uint8)
        for place in places:
            # A tenth of them subnormal.
            size = np.where(random.random(count) < 0.1, 1e-6, 0.05)
            blocks[:, place : place + 2] = (random.standard_normal(count) * size).astype("<f2").reshape(count, 1).view(np.uint8)
        (folder / f"{name}.blocks").write_bytes(blocks.tobytes())
        (folder / f"{name}.f32").write_bytes(dequantize(blocks, kind).astype("<f4").tobytes())


main()
