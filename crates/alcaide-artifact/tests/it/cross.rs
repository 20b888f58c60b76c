//! What does harm, times the ways to build a call of it: every product is unsafe.

use alcaide_artifact::{Verdict, scan};
use alcaide_container::{Fuel, Limits};

use crate::assemble::Asm;

/// Callables that do harm, of the standard library and of libraries that models bring along.
const EFFECTS: &[(&str, &str)] = &[
    ("os", "system"),
    ("posix", "execve"),
    ("nt", "spawnl"),
    ("subprocess", "getoutput"),
    ("_posixsubprocess", "fork_exec"),
    ("commands", "getoutput"),
    ("pty", "spawn"),
    ("platform", "popen"),
    ("asyncio.unix_events", "_UnixSubprocessTransport._start"),
    ("multiprocessing.util", "spawnv_passfds"),
    ("_aix_support", "_read_cmd_output"),
    ("_osx_support", "_read_output"),
    ("_pyrepl.pager", "pipe_pager"),
    ("imaplib", "IMAP4_stream"),
    ("uuid", "_get_command_stdout"),
    ("idlelib.autocomplete", "AutoComplete.get_entity"),
    ("idlelib.run", "Executive.runcode"),
    ("lib2to3.pgen2.pgen", "ParserGenerator.make_label"),
    ("pip._internal", "main"),
    ("builtins", "eval"),
    ("builtins", "compile"),
    ("__builtin__", "execfile"),
    ("code", "InteractiveConsole"),
    ("timeit", "repeat"),
    ("bdb", "Bdb.run"),
    ("doctest", "debug_script"),
    ("profile", "Profile.run"),
    ("trace", "Trace.run"),
    ("types", "FunctionType"),
    ("importlib._bootstrap", "_gcd_import"),
    ("pkgutil", "resolve_name"),
    ("pydoc", "locate"),
    ("zipimport", "zipimporter"),
    ("logging.config", "fileConfig"),
    ("pickle", "Unpickler"),
    ("cPickle", "loads"),
    ("marshal", "load"),
    ("shelve", "open"),
    ("ctypes", "CDLL"),
    ("_ctypes", "dlopen"),
    ("cffi", "FFI"),
    ("operator", "methodcaller"),
    ("functools", "reduce"),
    ("builtins", "map"),
    ("builtins", "setattr"),
    ("builtins", "type"),
    ("itertools", "starmap"),
    ("socket", "socket"),
    ("urllib.request", "urlretrieve"),
    ("urllib2", "urlopen"),
    ("ftplib", "FTP"),
    ("smtplib", "SMTP"),
    ("aiohttp.client", "ClientSession"),
    ("builtins", "open"),
    ("_io", "FileIO"),
    ("codecs", "open"),
    ("shutil", "copyfile"),
    ("tempfile", "mkstemp"),
    ("linecache", "getline"),
    ("pathlib", "Path.write_text"),
    ("sqlite3", "connect"),
    ("os", "putenv"),
    ("sys", "exit"),
    ("textwrap", "dedent"),
    ("smtpd", "MailmanProxy"),
    ("torch.hub", "load"),
    ("torch", "load"),
    ("torch.utils.bottleneck.__main__", "run_cprofile"),
    ("torch.utils._config_module", "ConfigModule.load_config"),
    ("torch.utils.collect_env", "run"),
    ("torch.jit.unsupported_tensor_ops", "execWrapper"),
    ("torch._dynamo.guards", "GuardBuilder.get"),
    ("torch._inductor.codecache", "compile_file"),
    ("torch.serialization", "os.system"),
    ("torch.nn.modules.module", "torch.os.system"),
    ("collections", "OrderedDict.__init__.__globals__"),
    ("numpy", "load"),
    ("numpy.testing._private.utils", "runstring"),
    ("numpy.f2py.crackfortran", "getlincoef"),
    ("numpy.distutils.exec_command", "exec_command"),
    ("numpy", "memmap"),
    ("pandas.io.pickle", "read_pickle"),
    ("pandas.io.parsers.readers", "read_csv"),
    ("joblib", "load"),
    ("sklearn.datasets", "fetch_openml"),
    ("mlflow.projects.backend.local", "_run_entry_point"),
    ("dill._dill", "_create_code"),
    ("cloudpickle.cloudpickle", "_builtin_type"),
    ("hydra.utils", "instantiate"),
    ("some_unknown_package.sub", "helper"),
    ("some_unknown_package", "Thing"),
];

/// A name, and what builds a pickle that calls a module's name with one text.
type Way = (&'static str, fn(&str, &str) -> Vec<u8>);

/// Ways to call something with one text.
const WAYS: &[Way] = &[
    ("REDUCE", |module, name| Asm::proto(2).global(module, name).args("x").op(b'R').stop()),
    ("REDUCE of protocol 0", |module, name| Asm::bare().global(module, name).raw("(S'x'\ntR").stop()),
    ("INST", |module, name| Asm::bare().raw("(S'x'\n").raw(format!("i{module}\n{name}\n")).stop()),
    ("OBJ", |module, name| Asm::proto(1).op(b'(').global(module, name).text("x").op(b'o').stop()),
    ("NEWOBJ", |module, name| Asm::proto(2).global(module, name).args("x").op(0x81).stop()),
    ("NEWOBJ_EX", |module, name| Asm::proto(4).stack_global(module, name).args("x").op(b'}').op(0x92).stop()),
    ("STACK_GLOBAL", |module, name| Asm::proto(4).stack_global(module, name).args("x").op(b'R').stop()),
    ("STACK_GLOBAL from the memo", |module, name| {
        Asm::proto(4)
            .text(module)
            .put(0)
            .op(b'0')
            .text(name)
            .put(1)
            .op(b'0')
            .get(0)
            .get(1)
            .op(0x93)
            .args("x")
            .op(b'R')
            .stop()
    }),
    ("STACK_GLOBAL with escapes", |module, name| {
        let escaped = |text: &str| text.bytes().map(|byte| format!("\\x{byte:02x}")).collect::<String>();
        Asm::bare()
            .raw(format!("S'{}'\nS'{}'\n", escaped(module), escaped(name)))
            .op(0x93)
            .args("x")
            .op(b'R')
            .stop()
    }),
    ("UNICODE with escapes", |module, name| {
        let escaped = |text: &str| text.bytes().map(|byte| format!("\\u{byte:04x}")).collect::<String>();
        Asm::proto(4)
            .raw(format!("V{}\nV{}\n", escaped(module), escaped(name)))
            .op(0x93)
            .args("x")
            .op(b'R')
            .stop()
    }),
    ("popped", |module, name| Asm::proto(2).global(module, name).args("x").op(b'R').op(b'0').op(b'}').stop()),
    ("below the object", |module, name| {
        Asm::proto(2).global(module, name).args("x").op(b'R').op(b'}').stop()
    }),
    ("dropped with a mark", |module, name| {
        Asm::proto(2).op(b'(').global(module, name).args("x").op(b'R').op(b'1').op(b'N').stop()
    }),
    ("second stream", |module, name| {
        let second = Asm::proto(2).global(module, name).args("x").op(b'R').stop();
        Asm(Asm::proto(4).op(b'}').stop()).raw(second).0
    }),
    ("third stream of protocol 0", |module, name| {
        let third = Asm::bare().global(module, name).raw("(S'x'\ntR").stop();
        Asm(Asm::proto(4).op(b'}').stop()).raw("I1\n.").raw(third).0
    }),
    ("truncated", |module, name| Asm::proto(2).global(module, name).args("x").op(b'R').0),
    ("broken off", |module, name| {
        Asm::proto(2).global(module, name).args("x").op(b'R').raw(b"\xff\xfe\xfd").0
    }),
    ("empty stack before", |module, name| {
        Asm::proto(2).op(b'0').op(b'R').global(module, name).args("x").op(b'R').stop()
    }),
    ("callee from the memo", |module, name| {
        Asm::proto(2).global(module, name).put(7).op(b'0').get(7).args("x").op(b'R').stop()
    }),
    ("memo overwritten", |module, name| {
        Asm::proto(2)
            .global("collections", "OrderedDict")
            .put(0)
            .op(b'0')
            .global(module, name)
            .put(0)
            .op(b'0')
            .get(0)
            .args("x")
            .op(b'R')
            .stop()
    }),
    ("callee doubled", |module, name| {
        Asm::proto(2).global(module, name).op(b'2').op(b'0').args("x").op(b'R').stop()
    }),
    ("functools.partial", |module, name| {
        Asm::proto(2)
            .global("functools", "partial")
            .global(module, name)
            .op(0x85)
            .op(b'R')
            .args("x")
            .op(b'R')
            .stop()
    }),
    ("copyreg.__newobj__", |module, name| {
        Asm::proto(2).global("copyreg", "__newobj__").global(module, name).text("x").op(0x86).op(b'R').stop()
    }),
    ("_rebuild_from_type_v2", |module, name| {
        Asm::proto(2)
            .global("torch._tensor", "_rebuild_from_type_v2")
            .op(b'(')
            .global(module, name)
            .global("torch", "Tensor")
            .args("x")
            .op(b'N')
            .op(b't')
            .op(b'R')
            .stop()
    }),
    ("late protocol", |module, name| {
        Asm::proto(2).global(module, name).raw([0x80, 4]).args("x").op(b'R').stop()
    }),
    ("in a list of a dict", |module, name| {
        Asm::proto(2)
            .op(b'}')
            .text("w")
            .op(b']')
            .global(module, name)
            .args("x")
            .op(b'R')
            .op(b'a')
            .op(b's')
            .stop()
    }),
    ("behind filler", |module, name| {
        let mut asm = Asm::proto(2);
        for _ in 0..5_000 {
            asm = asm.op(b'N').op(b'0');
        }
        asm.global(module, name).args("x").op(b'R').stop()
    }),
    ("opaque bytes before", |module, name| {
        let inner = Asm::proto(2).global(module, name).args("x").op(b'R').stop();
        Asm(b"\x07\x00\x01\x02weights\xff\xfe".to_vec()).raw(inner).0
    }),
];

#[test]
fn every_effect_by_every_way_is_unsafe() {
    let mut missed = Vec::new();
    for (module, name) in EFFECTS {
        for (way, build) in WAYS {
            let bytes = build(module, name);
            let report = scan("model.bin", &bytes, &Fuel::new(Limits::for_file(bytes.len() as u64)));
            if report.verdict != Verdict::Unsafe {
                missed.push(format!("{module}.{name} by {way}: {:?}", report.verdict));
            }
        }
    }
    assert!(
        missed.is_empty(),
        "{} of {} missed:\n{}",
        missed.len(),
        EFFECTS.len() * WAYS.len(),
        missed.join("\n")
    );
}

#[test]
fn the_same_ways_with_harmless_names_are_not_unsafe() {
    for (way, build) in WAYS {
        let bytes = build("datetime", "timedelta");
        let report = scan("model.bin", &bytes, &Fuel::new(Limits::for_file(bytes.len() as u64)));
        let odd = matches!(*way, "late protocol" | "memo overwritten");
        assert_eq!(report.verdict == Verdict::Unsafe, odd, "{way}: {:?}", report.findings);
    }
}
