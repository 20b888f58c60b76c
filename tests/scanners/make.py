"""Writes what the benchmark of models is run on: `make.py large FOLDER MIB` or `make.py bombs FOLDER SPARSE_GIB`.

`large` writes random weights by a fixed seed, no holes: a safetensors file of MIB, the same amount in eight files, and a torch archive
of half of that. `bombs` writes
small files that ask for much when they are opened, and one that is mostly a hole.
"""

import bz2
import gzip
import io
import json
import lzma
import pathlib
import random
import struct
import sys
import tarfile
import zipfile
import zlib

SEED = 20261128
MIB = 1 << 20


def chunks(generator, count):
    for _ in range(count):
        yield generator.randbytes(MIB)


def safetensors(path, mib, generator):
    tensors, at, each = {}, 0, mib // 16 * MIB
    for number in range(16):
        tensors[f"layers.{number}.weight"] = {"dtype": "F16", "shape": [each // 2048, 1024], "data_offsets": [at, at + each]}
        at += each
    header = json.dumps(tensors).encode()
    header += b" " * (-len(header) % 8)
    with open(path, "wb") as out:
        out.write(struct.pack("<Q", len(header)) + header)
        for chunk in chunks(generator, at // MIB):
            out.write(chunk)


def text(value):
    return b"X" + struct.pack("<I", len(value)) + value.encode()


def name(module, attribute):
    return f"c{module}\n{attribute}\n".encode()


def number(value):
    return b"J" + struct.pack("<i", value)


def state(tensors):
    """The pickle of a state dictionary, opcode by opcode, as torch writes it: a name and a number of floats for each tensor."""
    ordered = name("collections", "OrderedDict") + b")R"
    out = b"\x80\x02" + ordered + b"("
    for key, (title, floats) in enumerate(tensors):
        storage = b"(" + text("storage") + name("torch", "FloatStorage") + text(str(key)) + text("cpu") + number(floats) + b"tQ"
        out += text(title) + name("torch._utils", "_rebuild_tensor_v2")
        out += b"(" + storage + number(0) + number(floats) + b"\x85" + number(1) + b"\x85" + b"\x89" + ordered + b"tR"
    return out + b"u."


def torch_archive(path, mib, generator):
    each = mib // 8
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as out:
        out.writestr("archive/data.pkl", state([(f"layers.{key}.weight", each * MIB // 4) for key in range(8)]))
        out.writestr("archive/byteorder", "little")
        for key in range(8):
            with out.open(f"archive/data/{key}", "w") as member:
                for chunk in chunks(generator, each):
                    member.write(chunk)
        out.writestr("archive/version", "3\n")


def zeros(write, mib):
    for _ in range(mib):
        write(bytes(MIB))


def zip_of(members, method=zipfile.ZIP_DEFLATED):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        for title, content in members:
            archive.writestr(title, content)
    return out.getvalue()


def flat_zip(path):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as out, out.open("weights.bin", "w") as member:
        zeros(member.write, 1024)


def overlapping_zip(path):
    """One packed member under many names, so that what is unpacked is far more than what is packed."""
    raw = zlib.compressobj(9, zlib.DEFLATED, -15)
    packed = raw.compress(bytes(32 * MIB)) + raw.flush()
    sizes = (zlib.crc32(bytes(32 * MIB)), len(packed), 32 * MIB)
    local = struct.pack("<4s5H3I2H", b"PK\3\4", 20, 0, 8, 0, 33, *sizes, 1, 0) + b"a"
    central = b""
    for index in range(1000):
        title = f"m{index}".encode()
        central += struct.pack("<4s6H3I5H2I", b"PK\1\2", 20, 20, 0, 8, 0, 33, *sizes, len(title), 0, 0, 0, 0, 0, 0) + title
    body = local + packed
    end = struct.pack("<4s4H2IH", b"PK\5\6", 0, 0, 1000, 1000, len(central), len(body), 0)
    path.write_bytes(body + central + end)


def nested(levels, width):
    content = zip_of([("leaf.pkl", b"N.")])
    for _ in range(levels):
        content = zip_of([(f"{index}.zip", content) for index in range(width)])
    return content


def doubled(pack, mib, times):
    content = pack(bytes(mib * MIB))
    for _ in range(times):
        content = pack(content)
    return content


def laughing_pickle(rounds):
    out = b"\x80\x02]q\x00"
    for index in range(rounds):
        out += b"h" + bytes([index]) + b"h" + bytes([index]) + b"\x86q" + bytes([index + 1])
    return out + b"."


def laughing_yaml(rounds):
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    for index in range(1, rounds):
        lines.append(f"a{index}: &a{index} [" + ", ".join([f"*a{index - 1}"] * 9) + "]")
    return "\n".join(lines).encode()


def nested_onnx(depth):
    """Graphs within attributes of nodes of graphs."""
    content = b""
    for _ in range(depth):
        for tag in (0x32, 0x2A, 0x0A):
            content = bytes([tag]) + varint(len(content)) + content
    return b"\x08\x08" + b"\x3a" + varint(len(content)) + content


def varint(value):
    out = b""
    while value > 127:
        out += bytes([value & 127 | 128])
        value >>= 7
    return out + bytes([value])


def many_members(count):
    return zip_of([(f"m{index}.bin", b"") for index in range(count)], zipfile.ZIP_STORED)


def long_tar(path):
    head = tarfile.TarInfo("weights.bin")
    head.size = 1 << 40
    path.write_bytes(head.tobuf(tarfile.GNU_FORMAT) + bytes(10240))


def wide_header(mib):
    tensors = ",".join(f'"t{index}":{{"dtype":"F32","shape":[1],"data_offsets":[{index * 4},{index * 4 + 4}]}}' for index in range(mib * 16000))
    header = ("{" + tensors + "}").encode()
    return struct.pack("<Q", len(header)) + header


def sparse(path, gib):
    size = gib << 30
    header = json.dumps({"w": {"dtype": "U8", "shape": [size], "data_offsets": [0, size]}}).encode()
    header += b" " * (-len(header) % 8)
    with open(path, "wb") as out:
        out.write(struct.pack("<Q", len(header)) + header)
        out.truncate(8 + len(header) + size)


def bombs(folder, gib):
    flat_zip(folder / "gigabyte.zip")
    overlapping_zip(folder / "overlapping.zip")
    (folder / "nested-16-to-the-5th.zip").write_bytes(nested(5, 16))
    (folder / "gzip-in-gzip.gz").write_bytes(doubled(lambda data: gzip.compress(data, 6, mtime=0), 512, 2))
    (folder / "bzip2.bz2").write_bytes(doubled(bz2.compress, 256, 1))
    (folder / "xz.xz").write_bytes(doubled(lambda data: lzma.compress(data, preset=0), 512, 0))
    (folder / "joblib.zlib").write_bytes(doubled(lambda data: zlib.compress(data, 9), 512, 1))
    (folder / "many-members.zip").write_bytes(many_members(60_000))
    long_tar(folder / "terabyte.tar")
    (folder / "laughing.pkl").write_bytes(laughing_pickle(250))
    (folder / "huge-string.pkl").write_bytes(b"\x80\x04\x8d" + struct.pack("<Q", 1 << 62) + b"x.")
    (folder / "marks.pkl").write_bytes(b"(" * (8 * MIB) + b".")
    (folder / "memo.pkl").write_bytes(b"\x80\x02" + b"".join(b"]r" + struct.pack("<I", index * 4099) for index in range(400_000)) + b".")
    (folder / "laughing.yaml").write_bytes(laughing_yaml(12))
    (folder / "config.json").write_bytes(b"[" * (4 * MIB))
    (folder / "nested.onnx").write_bytes(nested_onnx(3000))
    (folder / "wide.safetensors").write_bytes(wide_header(16))
    (folder / "counts.gguf").write_bytes(b"GGUF" + struct.pack("<IQQ", 3, 1 << 60, 1 << 60) + bytes(64))
    shape = b"{'descr': '<f8', 'fortran_order': False, 'shape': (4611686018427387904,)}\n"
    (folder / "shape.npy").write_bytes(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(shape)) + shape)
    sparse(folder / f"sparse-{gib}-gib.safetensors", gib)


def main():
    act, folder, size = sys.argv[1], pathlib.Path(sys.argv[2]), int(sys.argv[3])
    folder.mkdir(parents=True)
    if act == "large":
        generator = random.Random(SEED)
        safetensors(folder / "weights.safetensors", size, generator)
        (folder / "parts").mkdir()
        for part in range(8):
            safetensors(folder / "parts" / f"weights-{part}.safetensors", size // 8, generator)
        torch_archive(folder / "weights.pt", size // 2, generator)
    else:
        bombs(folder, size)


if __name__ == "__main__":
    main()
