//! Pickles that call something, in the ways that mean the same to an unpickler.

use super::random::Random;
use super::wrap;
use crate::assemble::Asm;

/// What the variants call: none of these is in the corpus.
pub(crate) const GADGETS: &[(&str, &str)] = &[
    ("posix", "execv"),
    ("os", "spawnlp"),
    ("os", "posix_spawn"),
    ("os", "startfile"),
    ("subprocess", "run"),
    ("subprocess", "getstatusoutput"),
    ("asyncio.subprocess", "create_subprocess_shell"),
    ("asyncio", "create_subprocess_exec"),
    ("pexpect", "run"),
    ("sh", "Command"),
    ("fabric", "Connection"),
    ("invoke", "run"),
    ("popen2", "popen3"),
    ("distutils.spawn", "spawn"),
    ("setuptools._distutils.spawn", "spawn"),
    ("distutils.file_util", "write_file"),
    ("ensurepip", "bootstrap"),
    ("venv", "create"),
    ("webbrowser", "open_new_tab"),
    ("xmlrpc.client", "ServerProxy"),
    ("socketserver", "TCPServer"),
    ("telnetlib", "Telnet"),
    ("nntplib", "NNTP"),
    ("paramiko", "SSHClient"),
    ("httpx", "get"),
    ("urllib3", "request"),
    ("wget", "download"),
    ("pycurl", "Curl"),
    ("builtins", "exec"),
    ("builtins", "breakpoint"),
    ("builtins", "vars"),
    ("builtins", "globals"),
    ("builtins", "delattr"),
    ("builtins", "filter"),
    ("codeop", "compile_command"),
    ("code", "interact"),
    ("_pickle", "loads"),
    ("pickle", "_loads"),
    ("dill", "loads"),
    ("cloudpickle", "load"),
    ("jsonpickle", "decode"),
    ("yaml", "unsafe_load"),
    ("ruamel.yaml", "load"),
    ("pandas", "read_pickle"),
    ("pandas.core.computation.eval", "eval"),
    ("numpy", "fromfile"),
    ("numpy", "genfromtxt"),
    ("numpy.ctypeslib", "load_library"),
    ("torch.jit", "load"),
    ("torch.package", "PackageImporter"),
    ("torch.utils.cpp_extension", "load_inline"),
    ("torch.multiprocessing", "spawn"),
    ("torch.distributed.run", "main"),
    ("tensorflow", "load_op_library"),
    ("tensorflow", "py_function"),
    ("keras.models", "load_model"),
    ("keras.utils", "get_file"),
    ("transformers", "AutoModel.from_pretrained"),
    ("transformers.dynamic_module_utils", "get_class_from_dynamic_module"),
    ("huggingface_hub", "hf_hub_download"),
    ("datasets", "load_dataset"),
    ("joblib", "Memory"),
    ("scipy.io", "loadmat"),
    ("ctypes", "cdll.LoadLibrary"),
    ("ctypes.util", "find_library"),
    ("mmap", "mmap"),
    ("os", "kill"),
    ("os", "_exit"),
    ("sys", "settrace"),
    ("threading", "Timer"),
    ("multiprocessing", "Process"),
    ("shutil", "unpack_archive"),
    ("tarfile", "open"),
    ("zipfile", "ZipFile.extractall"),
    ("os", "symlink"),
    ("pathlib", "Path.unlink"),
    ("fileinput", "input"),
    ("dbm", "open"),
    ("lzma", "open"),
    ("some_new_library.sub", "helper"),
    ("another_new_library", "run_all"),
];

/// The dimensions in which two pickles of one call differ; each is forced in turn, the others vary now and then.
pub(crate) const WAYS: &[&str] =
    &["plain", "import", "text", "call", "noise", "frames", "wrapped", "placed", "streams", "junk", "within"];

/// A pickle that calls `module.name` with a text, with `forced` away from the plain way.
pub(crate) fn build((module, name): (&str, &str), forced: &str, random: &mut Random) -> Vec<u8> {
    let mut dice = random.clone();
    let _ = random.next();
    let mut varies = |way: &str| forced == way || forced != "plain" && dice.once_in(5);
    let style = Style {
        import: varies("import"),
        text: varies("text"),
        call: varies("call"),
        noise: varies("noise"),
        wrapped: varies("wrapped"),
        placed: varies("placed"),
    };
    let (frames, streams, junk, within) =
        (varies("frames"), varies("streams"), varies("junk"), varies("within"));
    let mut body = style.body(module, name, random);
    if frames {
        body = framed(&body, random);
    } else {
        let mut marked = vec![0x80, [2, 3, 4, 5][random.below(4)]];
        marked.extend(body.concat());
        body = vec![marked];
    }
    let mut bytes = body.concat();
    bytes.push(b'.');
    if within {
        bytes = hidden(&bytes, random);
    }
    if streams {
        let harmless: &[u8] = random.pick(&[
            b"\x80\x02}q\0.",
            b"N.",
            b"(lp0\n.",
            b"\x80\x04\x95\x02\0\0\0\0\0\0\0N.",
            b"I1\n.",
            b"\x80\x05]\x94.",
        ]);
        let count = 1 + random.below(4);
        bytes = [harmless.repeat(count), bytes, harmless.repeat(random.below(2))].concat();
    }
    if junk {
        bytes = match random.below(5) {
            0 => [bytes, b"\xff\xfe\xfd".to_vec()].concat(),
            1 => {
                // It breaks off where the harm is done already.
                bytes.pop();
                bytes
            }
            2 => {
                bytes.pop();
                [&bytes[..], b"\xff\x00garbage"].concat()
            }
            3 => [bytes, random.bytes(64)].concat(),
            _ => {
                bytes.pop();
                [&bytes[..], b"00000000."].concat()
            }
        };
    }
    bytes
}

#[derive(Clone, Copy)]
struct Style {
    import: bool,
    text: bool,
    call: bool,
    noise: bool,
    wrapped: bool,
    placed: bool,
}

impl Style {
    /// The opcodes, each by itself, without protocol and STOP.
    fn body(self, module: &str, name: &str, random: &mut Random) -> Vec<Vec<u8>> {
        let mut out = Vec::new();
        let around = if self.placed { random.below(9) } else { 0 };
        let (before, after) = PLACES[around];
        before.iter().for_each(|part| out.push(part.to_vec()));
        self.call(module, name, random, &mut out);
        after.iter().for_each(|part| out.push(part.to_vec()));
        if self.noise { noisy(out, random) } else { out }
    }

    fn call(self, module: &str, name: &str, random: &mut Random, out: &mut Vec<Vec<u8>>) {
        if self.wrapped {
            return self.call_wrapped(module, name, random, out);
        }
        let form = if self.call { random.below(8) } else { 0 };
        match form {
            1 if !name.contains('.') => {
                out.push(b"(".to_vec());
                self.text("x", random, out);
                out.push(format!("i{module}\n{name}\n").into_bytes());
            }
            2 => {
                out.push(b"(".to_vec());
                self.import(module, name, random, out);
                self.text("x", random, out);
                out.push(b"o".to_vec());
            }
            _ => {
                self.import(module, name, random, out);
                match form {
                    3 => self.args(random, out, &[0x81]),
                    4 => {
                        self.args(random, out, &[]);
                        out.push(b"}".to_vec());
                        out.push(vec![0x92]);
                    }
                    5 => {
                        // An empty tuple of arguments.
                        out.push(b")".to_vec());
                        out.push(b"R".to_vec());
                    }
                    6 => {
                        out.push(b"(".to_vec());
                        self.text("x", random, out);
                        out.push(b"t".to_vec());
                        out.push(b"R".to_vec());
                    }
                    7 => {
                        out.push(b"(".to_vec());
                        (0..3).for_each(|_| self.text("x", random, out));
                        out.push(b"t".to_vec());
                        out.push(b"R".to_vec());
                    }
                    _ => self.args(random, out, b"R"),
                }
            }
        }
    }

    /// Through what the standard library has for calling something else.
    fn call_wrapped(self, module: &str, name: &str, random: &mut Random, out: &mut Vec<Vec<u8>>) {
        let plain = Self { wrapped: false, call: false, ..self };
        let import = |module: &str, name: &str, random: &mut Random, out: &mut Vec<Vec<u8>>| {
            plain.import(module, name, random, out);
        };
        let module_of = |random: &mut Random, out: &mut Vec<Vec<u8>>| {
            import("importlib", "import_module", random, out);
            plain.text(module, random, out);
            out.push(vec![0x85]);
            out.push(b"R".to_vec());
        };
        match random.below(7) {
            0 => {
                import("functools", "partial", random, out);
                import(module, name, random, out);
                out.push(vec![0x85]);
                out.push(b"R".to_vec());
                plain.args(random, out, b"R");
            }
            1 => {
                import("builtins", "getattr", random, out);
                module_of(random, out);
                plain.text(name, random, out);
                out.push(vec![0x86]);
                out.push(b"R".to_vec());
                plain.args(random, out, b"R");
            }
            2 => {
                import("operator", "attrgetter", random, out);
                plain.text(name, random, out);
                out.push(vec![0x85]);
                out.push(b"R".to_vec());
                module_of(random, out);
                out.push(vec![0x85]);
                out.push(b"R".to_vec());
                plain.args(random, out, b"R");
            }
            3 => {
                import("operator", "methodcaller", random, out);
                plain.text(name, random, out);
                plain.text("x", random, out);
                out.push(vec![0x86]);
                out.push(b"R".to_vec());
                module_of(random, out);
                out.push(vec![0x85]);
                out.push(b"R".to_vec());
            }
            4 => {
                // `list(map(f, ["x"]))`
                import("builtins", "map", random, out);
                import(module, name, random, out);
                out.push(b"]".to_vec());
                plain.text("x", random, out);
                out.push(b"a".to_vec());
                out.push(vec![0x86]);
                out.push(b"R".to_vec());
            }
            5 => {
                import("copyreg", "__newobj__", random, out);
                import(module, name, random, out);
                plain.text("x", random, out);
                out.push(vec![0x86]);
                out.push(b"R".to_vec());
            }
            _ => {
                // A dictionary that calls it for what is missing.
                import("operator", "getitem", random, out);
                import("collections", "defaultdict", random, out);
                import(module, name, random, out);
                out.push(vec![0x85]);
                out.push(b"R".to_vec());
                plain.text("k", random, out);
                out.push(vec![0x86]);
                out.push(b"R".to_vec());
            }
        }
    }

    fn args(self, random: &mut Random, out: &mut Vec<Vec<u8>>, then: &[u8]) {
        self.text("x", random, out);
        out.push(vec![0x85]);
        then.iter().for_each(|op| out.push(vec![*op]));
    }

    fn import(self, module: &str, name: &str, random: &mut Random, out: &mut Vec<Vec<u8>>) {
        if !self.import {
            return out.push(format!("c{module}\n{name}\n").into_bytes());
        }
        match random.below(6) {
            0 => {
                self.text(module, random, out);
                self.text(name, random, out);
                out.push(vec![0x93]);
            }
            1 => {
                // From the memo, in another order.
                let (a, b) = (random.below(200) as u8, 200 + random.below(55) as u8);
                self.text(name, random, out);
                out.extend([vec![b'q', a], b"0".to_vec()]);
                self.text(module, random, out);
                out.extend([vec![b'q', b], b"0".to_vec(), vec![b'h', b], vec![b'h', a], vec![0x93]]);
            }
            2 => {
                out.push(format!("c{module}\n{name}\n").into_bytes());
                out.extend([b"r\x05\x01\0\0".to_vec(), b"0".to_vec(), b"j\x05\x01\0\0".to_vec()]);
            }
            3 => {
                self.text(module, random, out);
                out.extend([b"2".to_vec(), b"0".to_vec()]);
                self.text(name, random, out);
                out.push(vec![0x93]);
            }
            4 => {
                out.push(format!("c{module}\n{name}\n").into_bytes());
                out.extend([b"2".to_vec(), b"0".to_vec()]);
            }
            _ => {
                // Through a module that has imported the first part, where unpicklers follow dots.
                let (through, dotted) = match module {
                    "os" => ("shutil", format!("os.{name}")),
                    "subprocess" => ("platform", format!("subprocess.{name}")),
                    _ => ("importlib", format!("sys.modules.{module}.{name}")),
                };
                self.text(through, random, out);
                self.text(&dotted, random, out);
                out.push(vec![0x93]);
            }
        }
    }

    fn text(self, text: &str, random: &mut Random, out: &mut Vec<Vec<u8>>) {
        let form = if self.text { 1 + random.below(8) } else { 0 };
        out.push(spelled(text, form));
    }
}

/// A text of ASCII, in one of nine forms.
pub(crate) fn spelled(text: &str, form: usize) -> Vec<u8> {
    let len = text.len();
    let escaped = |each: fn(u8) -> String| text.bytes().map(each).collect::<String>();
    match form {
        1 => [&[0x8c, len as u8], text.as_bytes()].concat(),
        2 => [&[0x8d], &(len as u64).to_le_bytes()[..], text.as_bytes()].concat(),
        3 => format!("V{}\n", escaped(|byte| format!("\\u{byte:04x}"))).into_bytes(),
        4 => format!("S'{}'\n", escaped(|byte| format!("\\x{byte:02x}"))).into_bytes(),
        5 => format!("S\"{}\"\n", escaped(|byte| format!("\\{byte:o}"))).into_bytes(),
        6 => [&[b'U', len as u8], text.as_bytes()].concat(),
        7 => [&b"T"[..], &(len as u32).to_le_bytes()[..], text.as_bytes()].concat(),
        8 => format!("V{}\n", escaped(|byte| format!("\\U{byte:08X}"))).into_bytes(),
        _ => [&b"X"[..], &(len as u32).to_le_bytes()[..], text.as_bytes()].concat(),
    }
}

/// Opcodes, each by itself.
type Ops = &'static [&'static [u8]];

/// Where the result of the call goes.
const PLACES: [(Ops, Ops); 9] = [
    (&[], &[]),
    (&[], &[b"0", b"}"]),
    (&[b"]"], &[b"a"]),
    (&[b"}", b"X\x01\0\0\0w"], &[b"s"]),
    (&[b"("], &[b"1", b"N"]),
    (&[b"N", b"N"], &[b"\x87"]),
    (&[b"\x8f", b"("], &[b"\x90"]),
    (&[b"ccollections\nOrderedDict\n", b")", b"R", b"X\x01\0\0\0w"], &[b"s"]),
    (&[b"ctorch.nn.modules.linear\nLinear\n", b")", b"\x81", b"}", b"X\x01\0\0\0w"], &[b"s", b"b"]),
];

/// Opcodes between the others that leave nothing behind.
pub(crate) fn noisy(ops: Vec<Vec<u8>>, random: &mut Random) -> Vec<Vec<u8>> {
    let mut out = Vec::new();
    for op in ops {
        for _ in 0..random.below(4) {
            let filler: &[u8] = random.pick(&[
                b"N0",
                b"(1",
                b"K\x07" as &[u8],
                b"]0",
                b"}0",
                b"(lp9\n0",
                b"I5\n0",
                b"F1.5\n0",
                b"((((1111",
                b"\x880",
                b"X\x02\0\0\0ab0",
                b"Vzz\n0",
                b"(NNt0",
                b"\x8a\x01\x050",
                b"C\x03abc0",
                b"G\x00\x00\x00\x00\x00\x00\x00\x000",
            ]);
            out.push(filler.to_vec());
            if filler == b"K\x07" {
                out.push(b"0".to_vec());
            }
        }
        out.push(op);
    }
    out
}

/// Protocol 4 with frames, cut as a pickler cuts them: between opcodes.
pub(crate) fn framed(ops: &[Vec<u8>], random: &mut Random) -> Vec<Vec<u8>> {
    let mut out = vec![vec![0x80, 4 + (random.below(2) as u8)]];
    let mut rest = ops;
    while !rest.is_empty() {
        let (now, later) = rest.split_at(1 + random.below(rest.len()));
        let mut frame = now.concat();
        // The last frame ends with STOP, which comes behind it.
        let len = frame.len() as u64 + u64::from(later.is_empty());
        if later.is_empty() || random.once_in(2) {
            out.push([&[0x95], &len.to_le_bytes()[..]].concat());
        } else if frame.len() > 3 {
            frame = [b"N0", &frame[..]].concat();
        }
        out.push(frame);
        rest = later;
    }
    out
}

/// Within bytes or text of another pickle.
fn hidden(bytes: &[u8], random: &mut Random) -> Vec<u8> {
    let loader =
        random.pick(&["torch.storage\n_load_from_bytes", "pickle\nloads", "_pickle\nloads", "dill\nloads"]);
    let call = |data: &[u8]| Asm::proto(4).raw(format!("c{loader}\n")).raw(data).op(0x85).op(b'R').stop();
    let (long, len) = (bytes.len() as u64, bytes.len() as u32);
    let binary = [&b"B"[..], &len.to_le_bytes()[..], bytes].concat();
    match random.below(6) {
        0 => Asm::proto(4).raw(&binary).stop(),
        1 => call(&binary),
        2 => call(&[&[0x8e], &long.to_le_bytes()[..], bytes].concat()),
        3 => call(&[&[0x96], &long.to_le_bytes()[..], bytes].concat()),
        4 => call(&[&b"T"[..], &len.to_le_bytes()[..], bytes].concat()),
        _ => {
            // Unpacked by the code that loads it.
            let packed = wrap::zlib(bytes);
            let data = [&b"B"[..], &(packed.len() as u32).to_le_bytes()[..], &packed].concat();
            Asm::proto(4)
                .raw(format!("c{loader}\n"))
                .global("zlib", "decompress")
                .raw(data)
                .op(0x85)
                .op(b'R')
                .op(0x85)
                .op(b'R')
                .stop()
        }
    }
}
