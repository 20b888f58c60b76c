"""Writes the HDF5 files of this folder, with h5py 3.14 (HDF5 1.14)."""
import json

import h5py
import numpy as np

DENSE = {"class_name": "Sequential", "config": {"name": "s", "layers": [{"class_name": "Dense", "config": {"name": "d", "units": 2}}]}}
LAMBDA = {"class_name": "Sequential", "config": {"name": "s", "layers": [{"class_name": "Lambda", "config": {"name": "l", "function": ["4wEAAAAAAAAAAAAAAAEAAAACAAAAQw==", None, None], "function_type": "lambda"}}]}}


def model(name, config, many=0, **options):
    with h5py.File(name, "w", **options) as f:
        f.attrs["model_config"] = json.dumps(config)
        f.attrs["keras_version"] = "2.15.0"
        f.attrs["backend"] = np.bytes_("tensorflow")
        g = f.create_group("model_weights")
        g.attrs["layer_names"] = np.array([b"d"])
        d = g.create_group("d").create_group("d")
        d.create_dataset("kernel:0", data=np.arange(8, dtype="f4").reshape(4, 2))
        d.create_dataset("bias:0", data=np.zeros(2, dtype="f4"))
        for i in range(many):
            g.attrs[f"a{i}"] = i
            g.create_group(f"layer_{i}")
        if many:
            d.create_dataset("packed", data=np.arange(64, dtype="f4"), chunks=(16,), compression="gzip")


model("old.h5", DENSE)
model("old_lambda.h5", LAMBDA)
model("old_many.h5", DENSE, many=20)
model("new.h5", DENSE, libver="latest")
model("new_many.h5", DENSE, many=60, libver="latest")
model("new_lambda.h5", LAMBDA, many=12, libver="latest")
model("user_block.h5", LAMBDA, userblock_size=512)
with h5py.File("links.h5", "w") as f:
    f["here"] = h5py.SoftLink("/x")
    f["there"] = h5py.ExternalLink("/etc/passwd", "/data")
with h5py.File("links_dense.h5", "w", libver="latest") as f:
    for i in range(20):
        f[f"s{i}"] = h5py.SoftLink("/x")
    f["there"] = h5py.ExternalLink("other.h5", "/data")
with h5py.File("stored.h5", "w") as f:
    f.create_dataset("d", (4,), "f4", external=[("../weights.bin", 0, 16)])
with h5py.File("virtual.h5", "w", libver="latest") as f:
    layout = h5py.VirtualLayout(shape=(4,), dtype="f4")
    layout[:] = h5py.VirtualSource("elsewhere.h5", "d", shape=(4,))
    f.create_virtual_dataset("v", layout)
