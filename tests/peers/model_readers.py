"""What the reference readers of tensor files make of bytes: `python model_readers.py READER`, one file a line in hexadecimal.

It answers each line with `accepts N`, the number of tensors, or `rejects WHY`, or `silent WHY` where the reader does not end or ends in
a way that says nothing about the file. Nothing is unpickled.
"""

import io
import os
import signal
import sys
import tempfile
import warnings


def safetensors(data):
    from safetensors import deserialize

    return len(deserialize(data))


def numpy(data):
    import numpy as np

    np.load(io.BytesIO(data), allow_pickle=False)
    return 1


def onnx(data):
    from onnx import ModelProto

    model = ModelProto()
    model.ParseFromString(data)
    return len(model.graph.initializer)


def gguf(data):
    from gguf import GGUFReader

    with tempfile.NamedTemporaryFile(suffix=".gguf", dir=os.environ.get("TMPDIR")) as file:
        file.write(data)
        file.flush()
        return len(GGUFReader(file.name).tensors)


class Late(BaseException):
    pass


def late(_number, _frame):
    raise Late


def main():
    warnings.simplefilter("ignore")
    read = {"safetensors": safetensors, "numpy": numpy, "onnx": onnx, "gguf": gguf}[sys.argv[1]]
    signal.signal(signal.SIGALRM, late)
    for line in sys.stdin:
        data = bytes.fromhex(line)
        signal.alarm(5)
        try:
            said = f"accepts {read(data)}"
        except Late:
            said = "silent late"
        except (MemoryError, RecursionError) as error:
            said = f"silent {type(error).__name__}"
        except Exception as error:  # Whatever a reader raises is its refusal.
            said = f"rejects {type(error).__name__}: {error}"
        finally:
            signal.alarm(0)
        print(said.replace("\n", " ")[:200], flush=True)


main()
