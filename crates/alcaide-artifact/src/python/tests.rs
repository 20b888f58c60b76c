use alcaide_container::{Fuel, Limits};
use proptest::prelude::*;

use super::*;

fn rules_of(source: &str) -> Vec<&'static str> {
    let fuel = Fuel::new(Limits::for_file(source.len() as u64));
    let mut rules: Vec<_> =
        judge(source, Trust::Imported, &fuel).iter().map(|said| said.rule.id.as_str()).collect();
    rules.sort_unstable();
    rules.dedup();
    rules
}

#[test]
fn what_runs_at_import_is_found_however_it_is_spelled() {
    for source in [
        "import os\nos.system('true')",
        "import os as o; o.system('true')",
        "from os import system\nsystem('true')",
        "from os import system as s\ns('true')",
        "from os import *\nsystem('true')",
        "import os\nf = os.system\nf('true')",
        "import os\ngetattr(os, 'sys' + 'tem')('true')",
        "import os\ngetattr(os, ''.join(['sys', 'tem']))('true')",
        "import os\ngetattr(os, 'metsys'[::-1])('true')",
        "__import__('os').system('true')",
        "__import__('o' 's').system('true')",
        "import importlib\nimportlib.import_module('os').system('true')",
        "import sys\nsys.modules['os'].system('true')",
        "import os\nos.__dict__['system']('true')",
        "import os\nvars(os)['system']('true')",
        "import os\nglobals()['os'].system('true')",
        "__builtins__.__import__('os').system('true')",
        "import base64\n__import__(base64.b64decode('b3M=').decode()).system('true')",
        "__import__(bytes.fromhex('6f73').decode()).system('true')",
        "__import__(chr(111) + chr(115)).system('true')",
        "__import__(''.join(map(chr, [111, 115]))).system('true')",
        "import codecs\n__import__(codecs.decode('bf', 'rot13')).system('true')",
        "import subprocess\nsubprocess.run(['true'])",
        "import subprocess as sp\nsp.Popen('true', shell=True)",
        "class A:\n    import os\n    os.system('true')",
        "import os\nclass A(object):\n    x = os.popen('true')",
        "import os\ndef f(x=os.system('true')):\n    pass",
        "import os\ndef f(x: os.system('true') = 1):\n    pass",
        "import os\n@os.system\ndef f(): pass",
        "@exec\n@input\nclass X: pass",
        "import os\ndef f():\n    os.system('true')\nf()",
        "import os\nclass A:\n    def __init__(self):\n        os.system('true')\nA()",
        "import os\nx = [os.system('true') for _ in range(1)]",
        "import os\nx = (lambda: os.system)()('true')",
        "import os\nlist(map(os.system, ['true']))",
        "import os, functools\nfunctools.partial(os.system, 'true')()",
        "import os, threading\nthreading.Thread(target=os.system, args=('true',)).start()",
        "import os, atexit\ndef g():\n    os.system('true')\natexit.register(g)",
        "import os\nx = f\"{os.system('true')}\"",
        "if True:\n    import os\n    os.system('true')",
        "try:\n    import os\nexcept Exception:\n    pass\nelse:\n    os.system('true')",
        "import os\nwith os.popen('true') as f: pass",
        "import os\nfor x in os.popen('true'): pass",
        "import os\nx = 1 if os.system('true') else 2",
        "import os\nassert os.system('true') == 0",
        "exec('import os')",
        "eval('1')",
        "import pty; pty.spawn('true')",
        "import marshal, types\ntypes.FunctionType(marshal.loads(b'x'), {})",
        "import runpy\nrunpy.run_path('x')",
        "\u{ff4f}\u{ff53} = __import__('os')\nos.system('true')",
        "import os\nbroken = = 1; os.system('true')",
        "import torch.nn as nn, os\nclass M(nn.Module):\n    pass\nos.system('true')",
    ] {
        assert!(rules_of(source).contains(&"python-runs-at-import"), "{source}: {:?}", rules_of(source));
    }
}

#[test]
fn decoded_code_is_found_wherever_it_is_run() {
    for source in [
        "import base64, zlib\nexec(zlib.decompress(base64.b64decode('eJw=')))",
        "import zlib\ndef f(x):\n    exec(zlib.decompress(x))",
        "import base64\ndef f():\n    m = base64.b64decode(KEY)\n    __import__(m)",
    ] {
        assert!(rules_of(source).contains(&"python-hidden-code"), "{source}: {:?}", rules_of(source));
    }
}

#[test]
fn other_effects_at_import_and_commands_in_what_loaders_call_are_found() {
    for source in [
        "import requests\nrequests.post('http://h.example', data=1)",
        "import urllib.request\nurllib.request.urlopen('http://h.example')",
        "from socket import socket\ns = socket()",
        "import pickle\npickle.load(open('x', 'rb'))",
        "import ctypes\nctypes.CDLL('./x.so')",
        "open('/dev/null', 'w')",
        "import shutil\nshutil.rmtree('/nowhere')",
        "import torch\nx = torch.load('a.pt')",
        "import yaml\nyaml.load(open('x'))",
    ] {
        assert_eq!(rules_of(source), ["python-effect-at-import"], "{source}");
    }
    for source in [
        "import os\nclass M:\n    def forward(self, x):\n        os.system('true')\n        return x",
        "import subprocess\ndef build():\n    subprocess.check_call(['true'])",
    ] {
        assert_eq!(rules_of(source), ["python-runs-commands"], "{source}");
    }
}

#[test]
fn honest_code_of_models_has_nothing() {
    for source in [
        "import math\nimport os\nfrom typing import List, Optional\n\nimport torch\nfrom torch import nn\nfrom transformers import PreTrainedModel\n\nfrom .configuration_x import XConfig\n\nlogger = logging.get_logger(__name__)\n\nclass XModel(PreTrainedModel):\n    config_class = XConfig\n    _no_split_modules = ['XLayer']\n\n    def __init__(self, config: XConfig, *args, scale: float = 1.0 / math.sqrt(2), **kwargs) -> None:\n        super().__init__(config)\n        self.layers = nn.ModuleList([nn.Linear(4, 4) for _ in range(config.n)])\n        path = os.path.join(config._name_or_path, 'x.bin')\n        if os.path.exists(path):\n            self.load_state_dict(torch.load(path, weights_only=True, map_location='cpu'))\n\n    @torch.no_grad()\n    def forward(self, x: torch.Tensor, mask: Optional[torch.Tensor] = None):\n        x = x @ self.w + (1 if mask is None else mask[:, None, ::2])\n        return {k: v for k, v in zip('ab', x)}\n",
        "import re\nPATTERN = re.compile(r'[^a-z]+')\n__all__ = ['f']\n\ndef f(x):\n    \"\"\"Runs os.system('true') never.\"\"\"\n    return PATTERN.sub('', x)\n",
        "from setuptools import setup, find_packages\nwith open('README.md', encoding='utf-8') as f:\n    long = f.read()\nsetup(name='x', version='1', long_description=long, packages=find_packages())\n",
        "import torch\n\nmodel = torch.compile(torch.nn.Linear(1, 1))\nmodel.eval()\nx = model.run if hasattr(model, 'run') else None\n",
        "import requests\nfrom PIL import Image\n\ndef fetch(url):\n    return Image.open(requests.get(url, stream=True).raw)\n",
        "match = 1\ncase = {'a': match}\ntype X = int\nprint(f'{match!r:>{case}} {{x}}')\nasync def f():\n    async with a as b, c:\n        await b\n",
        "import numpy as np\nx = np.load('a.npy')\ny = np.array([[1, 2], [3, 4]])[:, -1]\nz = x if x is not None and not y else lambda a, *b, c=1, **d: (a, b)\n",
        "x = f\"{a.replace('[`', '[')} {b['k']!r}\"\nimport subprocess\ntry:\n    f()\nexcept subprocess.CalledProcessError:\n    print(subprocess.PIPE)\n",
        "try:\n    from flash_attn import flash_attn_func\nexcept ImportError:\n    flash_attn_func = None\nif __name__ == '__main__':\n    print('x')\n",
        "x: int = 3\nx += 1; y = x ** 2 // 3 % 2\ndel x\nglobal z\nfor i, (a, b) in enumerate([(1, 2)]):\n    if i == 1: break\nelse:\n    pass\nwhile (n := 3) > 4: continue\n",
    ] {
        let fuel = Fuel::new(Limits::for_file(source.len() as u64));
        let said = judge(source, Trust::Imported, &fuel);
        assert!(said.is_empty(), "{source}: {said:?}");
    }
}

#[test]
fn a_block_on_the_line_of_another_ends_where_that_line_is_indented() {
    // It went on for ever and filled memory.
    let source = "class C:\n    def f(self): def f(self): def f(self):\n        x = 1\n        with o as f: yield f\nimport os\nos.system('true')\n";
    assert!(rules_of(source).contains(&"python-runs-at-import"), "{:?}", rules_of(source));
    for source in [
        "if a: if b:\n  c\nd\n",
        "if a: (\n  if b:\nd\n",
        "for x in y: for z in x:\n    f(\n",
        "class A: class B:\n  pass\n pass\npass",
    ] {
        let _ = rules_of(source);
    }
}

#[test]
fn depth_is_bounded() {
    for bomb in [
        "(".repeat(10_000),
        format!("x = {}", "a.".repeat(10_000)),
        format!("x = {}1", "-".repeat(10_000)),
        format!("x = {}1", "lambda: ".repeat(10_000)),
        (0..200).map(|depth| " ".repeat(depth) + "if x:\n").collect(),
        format!("x = {}1", "1 + ".repeat(10_000)),
        "@a\n".repeat(10_000),
    ] {
        let _ = rules_of(&bomb);
    }
}

proptest! {
    #[test]
    fn any_text_is_judged_without_harm(source in "([a-d.()\\[\\]{}'\"=+:,@#\\\\ \n\t]|import |def |class |lambda |if |for | in |f'|\\{|é){0,80}") {
        let _ = rules_of(&source);
    }
}
