#!/usr/bin/env python3
"""Derives the allow packs of libraries from their wheels, by parsing alone: nothing of them is imported or run.

    pip download --no-deps --only-binary=:all: -d WHEELS torch scikit-learn …
    python3 derive.py WHEELS derived

A line of a pack is `module<TAB>Name:roles Name:roles …`, sorted by module in byte order. Roles: `n` the class may be made without
its constructor and given a state (NEWOBJ, BUILD), `r` it may be called with arguments (REDUCE), `v` it may be referred to.

A class gets `n` when every method that unpickling reaches by itself (making, setting state, attributes and items, hashing,
comparing, dropping) is inert in the class and in all its bases: it calls nothing but plain attribute and container work. It gets
`r` when its constructor is inert, too. Bases that cannot be resolved make a class unknown, which is a doubt and never clean.
"""

import ast
import gc
import pathlib
import re
import sys
import zipfile

SKIP_PARTS = {
    "tests", "testing", "_testing", "test", "benchmarks", "benchmark", "examples", "conftest", "scripts", "script", "cli",
    "commands", "rpc", "_inductor", "_dynamo", "cpp_extension", "package", "hub", "__main__", "setup", "distutils", "f2py",
    "serving", "datapipes", "multiprocessing", "elastic", "server", "launcher", "launchers", "bottleneck", "collect_env",
    "_vendor", "vendor", "externals", "_export", "_strobelight", "callbacks_server", "trackers", "loggers", "remote",
    "_appdirs", "hubconf", "jit", "fx", "_pytest", "docs", "doc", "plugins", "solutions", "io", "conda", "install", "app",
    "vllm_serve", "run", "runner", "runners", "deploy", "_higher_order_ops", "subclasses", "onnx", "agents", "tools",
}
SKIP_NAME = re.compile(
    r"Popen|Subprocess|Process(es)?$|Client|Server|Socket|Connection|Session|Shell|Command|Importer|Interpreter|Download|Opener|"
    r"Http|HTTP|Url|URL|Exec(utor|ution)?|Launcher|Runner|File|Store$|Archive|Compiler|Unpickl|Pickler|Cache$|Memory$|Hook$|Lambda"
)
HOOKS = {
    "__new__", "__setstate__", "__setattr__", "__del__", "__getattr__", "__getattribute__", "__setitem__", "append", "extend",
    "add", "__hash__", "__eq__", "__delattr__", "__instancecheck__",
}
MAKERS = {"__init__", "__post_init__", "__attrs_post_init__", "_missing_"}
INERT_NAMES = {
    "super", "isinstance", "issubclass", "len", "getattr", "setattr", "hasattr", "dict", "list", "tuple", "set", "int", "str",
    "float", "bool", "zip", "range", "enumerate", "type", "id", "hash", "sorted", "min", "max", "any", "all", "frozenset", "repr",
    "OrderedDict", "deepcopy", "callable", "vars", "sum", "abs", "round", "reversed", "bytes", "cast", "fields",
}
INERT_METHODS = {
    "update", "items", "keys", "values", "get", "pop", "copy", "append", "extend", "format", "join", "startswith", "endswith",
    "split", "setdefault", "__setstate__", "__new__", "__setattr__", "__getattr__", "__setitem__", "__hash__", "__eq__",
    "__delattr__", "warn", "warning", "warn_once", "warning_once", "strip", "lower", "upper", "replace", "index", "count",
    "__getattribute__", "add", "insert", "__getitem__", "as_tuple", "deepcopy", "rstrip", "isdigit",
}
# Classes whose hooks were read by hand: they restore attributes and warn about versions.
TRUSTED = {
    "torch.nn.modules.module.Module", "sklearn.base.BaseEstimator", "torch.optim.optimizer.Optimizer",
    "sklearn.utils._metadata_requests._MetadataRequester", "sklearn.utils._set_output._SetOutputMixin",
    "torch.nn.parameter._ParameterMeta", "transformers.configuration_utils.PretrainedConfig",
    "transformers.configuration_utils.PreTrainedConfig", "torch.utils.data.dataset.Dataset",
    "sklearn.utils._repr_html.base.ReprHTMLMixin", "sklearn.utils._repr_html.base._HTMLDocumentationLinkMixin",
    "sklearn.utils._estimator_html_repr._HTMLDocumentationLinkMixin",
    "torch.nn.modules.container.ModuleDict", "torch.nn.modules.container.ModuleList",
    "torch.nn.modules.container.Sequential", "torch.nn.modules.container.ParameterList",
    "torch.nn.modules.container.ParameterDict", "torch.nn.modules.rnn.RNNBase",
    "torch.optim.lr_scheduler.LRScheduler", "xgboost.sklearn.XGBModel",
    "torch.nn.modules.lazy.LazyModuleMixin", "torch.nn.modules.activation.MultiheadAttention",
}
OUTSIDE = {
    "object", "dict", "list", "tuple", "set", "frozenset", "int", "float", "str", "bytes", "bool", "complex", "Exception",
    "ValueError", "TypeError", "RuntimeError", "AttributeError", "KeyError", "IndexError", "Warning", "UserWarning",
    "NotImplementedError", "ImportError", "LookupError", "FutureWarning", "DeprecationWarning", "RuntimeWarning", "ArithmeticError",
    "AssertionError", "NameError", "BaseException", "type", "OSError", "PendingDeprecationWarning",
    "enum.Enum", "enum.IntEnum", "enum.Flag", "enum.IntFlag", "enum.StrEnum", "typing.Generic", "typing.NamedTuple",
    "typing.Protocol", "typing.TypedDict", "abc.ABC", "collections.OrderedDict", "collections.defaultdict",
    "collections.UserDict", "collections.UserList", "collections.Counter", "collections.abc.Mapping",
    "collections.abc.MutableMapping", "collections.abc.Sequence", "collections.abc.MutableSequence", "collections.abc.Callable",
    "collections.abc.Iterable", "collections.abc.Iterator", "collections.abc.Sized", "collections.abc.Hashable",
    "typing.Mapping", "typing.MutableMapping", "typing.Sequence", "typing.Iterable", "typing.Callable", "typing.Dict",
    "typing.List", "typing.OrderedDict", "typing_extensions.TypedDict", "typing_extensions.Protocol", "argparse.Namespace",
    "typing.Iterator", "typing.Sized", "typing.Hashable", "collections.abc.Container", "collections.abc.Set",
}
ENUMS = {"enum.Enum", "enum.IntEnum", "enum.Flag", "enum.IntFlag", "enum.StrEnum"}
# Of a library that compiles and ships code, only the parts that models are made of.
ONLY = {"torch": re.compile(r"^torch\.(nn|optim|utils\.data|distributions|ao|quantization|cuda\.amp|amp)\b")}
# Libraries of which nothing is derived: what they define is there to rebuild code.
LEFT_OUT = {"dill", "cloudpickle"}
# Functions that may be referred to (a model keeps its activation or metric), by the modules that hold such.
VALUE_MODULES = re.compile(
    r"^(torch\.nn\.(functional|init)|sklearn\.metrics\.|sklearn\.feature_selection\.|torchvision\.transforms\.functional|"
    r"torchvision\.ops\.|transformers\.(activations|pytorch_utils)$|timm\.layers\.|torchmetrics\.functional|scipy\.(special|stats)\.|"
    r"torch_geometric\.(nn|utils)\.|numpy\.(core|_core|lib)\.(numeric|fromnumeric|function_base))"
)
SKIP_FUNCTION = re.compile(
    r"load|save|run|exec|eval|open|read|write|import|compile|download|fetch|url|spawn|call|shell|cmd|command|process|system|"
    r"remove|delete|unlink|main|test|hub|apply|memmap|from(file|txt|string|regex)|vectorize|piecewise|copy_?file|print"
)


class Class:
    """What of a class decides its roles; the tree itself is let go."""

    def __init__(self, node):
        self.bases = [dotted(one) for one in node.bases]
        self.metas = [dotted(one.value) for one in node.keywords if one.arg == "metaclass"]
        self.hooks = self.makers = True
        self.assigned = False
        for one in node.body:
            if isinstance(one, (ast.FunctionDef, ast.AsyncFunctionDef)):
                if one.name in HOOKS:
                    self.hooks = self.hooks and inert(one)
                elif one.name in MAKERS:
                    self.makers = self.makers and inert(one)
            elif isinstance(one, ast.Assign):
                for to in one.targets:
                    if isinstance(to, ast.Name) and to.id in HOOKS - {"__hash__", "__eq__"}:
                        self.assigned = True


class Module:
    """What one file defines."""

    def __init__(self, name, tree, package):
        self.name, self.names, self.classes, self.functions = name, {}, {}, []
        self.stars = []
        self.walk(tree.body, "", package)

    def walk(self, body, outer, package):
        for node in body:
            if isinstance(node, ast.Import):
                for one in node.names:
                    self.names[one.asname or one.name.split(".")[0]] = one.name if one.asname else one.name.split(".")[0]
            elif isinstance(node, ast.ImportFrom):
                base = node.module or ""
                if node.level:
                    up = package.split(".")[: len(package.split(".")) - node.level + 1]
                    base = ".".join(up + ([base] if base else []))
                for one in node.names:
                    if one.name == "*":
                        self.stars.append(base)
                    else:
                        self.names.setdefault(one.asname or one.name, f"{base}.{one.name}")
            elif isinstance(node, ast.ClassDef):
                path = f"{outer}{node.name}"
                self.classes[path] = Class(node)
                if outer.count(".") < 2:
                    self.walk(node.body, path + ".", package)
            elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                if not outer:
                    self.functions.append(node.name)
            elif isinstance(node, ast.Try):
                self.walk(node.body, outer, package)
                for one in node.handlers:
                    self.walk(one.body, outer, package)
                self.walk(node.orelse, outer, package)
            elif isinstance(node, ast.If):
                self.walk(node.body, outer, package)
                self.walk(node.orelse, outer, package)


def dotted(node):
    if isinstance(node, ast.Subscript):
        return dotted(node.value)
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        head = dotted(node.value)
        return head and f"{head}.{node.attr}"
    return None


def inert(method):
    for node in ast.walk(method):
        if isinstance(node, (ast.Import, ast.ImportFrom, ast.With, ast.AsyncWith, ast.Await, ast.Global)):
            return False
        if not isinstance(node, ast.Call):
            continue
        if isinstance(node.func, ast.Name):
            if node.func.id not in INERT_NAMES and not node.func.id.endswith(("Error", "Exception", "Warning")):
                return False
            if node.func.id == "getattr" and len(node.args) > 1 and not isinstance(node.args[1], (ast.Constant, ast.Name)):
                return False
        elif isinstance(node.func, ast.Attribute):
            plain_init = node.func.attr == "__init__" and isinstance(node.func.value, ast.Call) and dotted(node.func.value.func) == "super"
            if node.func.attr not in INERT_METHODS and not plain_init and not node.func.attr.endswith(("Error", "Warning")):
                return False
        else:
            return False
    return True


class Judge:
    """Resolves bases over all libraries that were read."""

    def __init__(self, modules):
        self.modules, self.memo, self.found = modules, {}, {}

    def find(self, full, depth=0):
        """Where `full` is defined: a key of a class, a name outside, or None."""
        if full is None or depth > 8:
            return None
        if full not in self.found:
            self.found[full] = None
            self.found[full] = self.search(full, depth)
        return self.found[full]

    def search(self, full, depth):
        if full in OUTSIDE or full.removeprefix("builtins.") in OUTSIDE:
            return full
        parts = full.split(".")
        for cut in range(len(parts) - 1, 0, -1):
            module = self.modules.get(".".join(parts[:cut]))
            if module is None:
                continue
            rest = ".".join(parts[cut:])
            if rest in module.classes:
                return (module.name, rest)
            head, _, tail = rest.partition(".")
            if head in module.names and module.names[head] != full:
                found = self.find(module.names[head] + (f".{tail}" if tail else ""), depth + 1)
                if found:
                    return found
            for star in module.stars:
                found = self.find(f"{star}.{rest}", depth + 1)
                if found:
                    return found
            return None
        return None

    def base(self, module, outer, name):
        if name is None:
            return None
        if outer and f"{outer}.{name}" in module.classes:
            return (module.name, f"{outer}.{name}")
        if name in module.classes:
            return (module.name, name)
        head, _, tail = name.partition(".")
        if head in module.names:
            return self.find(module.names[head] + (f".{tail}" if tail else ""))
        if name in OUTSIDE:
            return name
        for star in module.stars:
            found = self.find(f"{star}.{name}")
            if found:
                return found
        return None

    def roles(self, key):
        """(made without constructor, called, is an enumeration)."""
        if isinstance(key, str):
            return (True, True, key in ENUMS)
        if key is None:
            return (False, False, False)
        if key in self.memo:
            return self.memo[key]
        self.memo[key] = (False, False, False)
        module = self.modules[key[0]]
        node = module.classes[key[1]]
        full = ".".join(key)
        outer = key[1].rpartition(".")[0]
        bases = [self.roles(self.base(module, outer, one)) for one in node.bases]
        made, called = all(one[0] for one in bases), all(one[1] for one in bases)
        enum = any(one[2] for one in bases)
        if any(one not in {"ABCMeta", "abc.ABCMeta", "EnumMeta", "_ParameterMeta"} for one in node.metas):
            called = False
        if (not node.hooks or node.assigned) and full not in TRUSTED:
            made = False
        if not node.makers:
            called = False
        if full in TRUSTED:
            made = True
        if enum and made:
            called = True
        self.memo[key] = (made, called and made, enum)
        return self.memo[key]


def read(wheel, modules):
    """Adds what the wheel defines; names of its top packages come back."""
    tops = set()
    with zipfile.ZipFile(wheel) as archive:
        for name in sorted(archive.namelist()):
            if not name.endswith(".py") or ".data/" in name or name.startswith(("torchgen", "functorch")):
                continue
            path = name[:-3].split("/")
            package = path[:-1]
            if SKIP_PARTS.intersection(path[1:]) & {"tests", "testing", "_testing", "test", "benchmarks", "examples", "onnx", "_inductor"}:
                continue
            dotted_name = ".".join(package if path[-1] == "__init__" else path)
            if not dotted_name or not all(part.isidentifier() for part in dotted_name.split(".")):
                continue
            try:
                tree = ast.parse(archive.read(name))
            except (SyntaxError, ValueError, RecursionError):
                continue
            module = Module(dotted_name, tree, ".".join(package))
            older = modules.get(dotted_name)
            if older:
                # Two versions of one library: names of both are kept, and what both define is judged by the newer.
                for key, value in older.classes.items():
                    module.classes.setdefault(key, value)
                for key, value in older.names.items():
                    module.names.setdefault(key, value)
                module.functions.extend(older.functions)
            modules[dotted_name] = module
            tops.add(path[0])
    return tops


def main():
    gc.disable()  # Trees have no cycles, and there are millions of nodes.
    source, target = map(pathlib.Path, sys.argv[1:3])
    modules, tops = {}, set()
    for wheel in sorted(source.glob("*.whl")):
        tops |= read(wheel, modules)
    judge = Judge(modules)
    packs = {}
    for name in sorted(modules):
        module = modules[name]
        if any(part in SKIP_PARTS for part in name.split(".")[1:]):
            continue
        only = ONLY.get(name.split(".")[0])
        if only and not only.match(name):
            continue
        out = {}
        for path in module.classes:
            if SKIP_NAME.search(path) or any(part.startswith("Test") for part in path.split(".")):
                continue
            made, called, _ = judge.roles((name, path))
            if made:
                out[path] = "n" + ("r" if called else "")
        if VALUE_MODULES.match(name):
            for one in module.functions:
                if not one.startswith("_") and not SKIP_FUNCTION.search(one):
                    out.setdefault(one, "v")
        if out:
            packs.setdefault(name.split(".")[0], []).append((name, out))
    target.mkdir(parents=True, exist_ok=True)
    for top, rows in packs.items():
        if top in LEFT_OUT or sum(len(one) for _, one in rows) < 12:
            continue
        rows.sort(key=lambda row: row[0].encode())
        text = "".join(
            f"{name}\t{' '.join(f'{key}:{out[key]}' for key in sorted(out))}\n" for name, out in rows
        )
        (target / f"{top}.txt").write_text(text)
        print(top, len(rows), sum(len(one) for _, one in rows), len(text))


if __name__ == "__main__":
    main()
