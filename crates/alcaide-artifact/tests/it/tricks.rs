//! One test for each trick by which a pickle hides what it does, and for each honest idiom that looks like one.

use alcaide_artifact::{Report, Verdict, decompile, scan};
use alcaide_container::{Fuel, Limits};

use crate::assemble::Asm;

fn judge(name: &str, bytes: &[u8]) -> Report {
    scan(name, &bytes.to_vec(), &Fuel::new(Limits::for_file(bytes.len() as u64)))
}

fn found(bytes: &[u8]) -> Vec<String> {
    judge("model.bin", bytes).findings.iter().map(|one| format!("{} {}", one.rule, one.evidence)).collect()
}

#[track_caller]
fn assert_rule(bytes: &[u8], rule: &str) {
    let report = judge("model.bin", bytes);
    assert_eq!(report.verdict, Verdict::Unsafe);
    assert!(report.findings.iter().any(|one| one.rule.as_str() == rule), "{rule}: {:?}", report.findings);
}

#[track_caller]
fn assert_verdict(bytes: &[u8], verdict: Verdict) {
    let report = judge("model.bin", bytes);
    assert_eq!(report.verdict, verdict, "{:?} {:?}", report.findings, report.doubts);
}

#[test]
fn evidence_is_the_call_with_its_place() {
    let bytes = Asm::proto(2).global("os", "system").args("echo \u{202e}a\n").op(b'R').stop();
    let report = judge("model.pkl", &bytes);
    assert_eq!(report.findings.len(), 1);
    let one = &report.findings[0];
    assert_eq!(one.place.offset, Some(bytes.len() as u64 - 2));
    assert!(one.evidence.starts_with("os.system(\"echo "), "{}", one.evidence);
    assert!(one.evidence.chars().all(|one| !one.is_control() && one != '\u{202e}'), "{}", one.evidence);
    let long = Asm::proto(2).global("os", "system").args(&"x".repeat(10_000)).op(b'R').stop();
    assert!(found(&long)[0].len() < 120);
}

#[test]
fn what_is_only_referred_to_is_found_too() {
    assert_rule(&Asm::proto(2).op(b'}').text("f").global("os", "system").op(b's').stop(), "starts-process");
    let doubtful =
        Asm::proto(2).op(b'}').text("f").global("torch.nn.functional", "brand_new").op(b's').stop();
    assert_verdict(&doubtful, Verdict::Inconclusive);
    let fine = Asm::proto(2).op(b'}').text("f").global("torch.nn.functional", "gelu").op(b's').stop();
    assert_verdict(&fine, Verdict::Clean);
}

#[test]
fn a_name_that_is_computed_is_found() {
    let computed = Asm::proto(4).text("os").op(b'N').op(0x93).args("x").op(b'R').stop();
    assert_rule(&computed, "computed-callable");
    let joined = Asm::proto(4)
        .text("o")
        .global("builtins", "str")
        .args("system")
        .op(b'R')
        .op(0x93)
        .op(b'0')
        .op(b'N')
        .stop();
    assert_rule(&joined, "computed-callable");
}

#[test]
fn the_result_of_a_call_is_not_called_unseen() {
    let chain = Asm::proto(2).global("operator", "itemgetter").args("x").op(b'R').args("y").op(b'R').stop();
    assert_rule(&chain, "computed-callable");
}

#[test]
fn getattr_is_seen_through() {
    let of = |attribute: &str| {
        Asm::proto(2)
            .global("builtins", "getattr")
            .global("torch.nn.modules.activation", "GELU")
            .text(attribute)
            .op(0x86)
            .op(b'R')
    };
    // A method is referred to, and whoever uses the model may call it; a class within a class is no more than a class.
    assert_verdict(&of("forward").stop(), Verdict::Inconclusive);
    assert_verdict(&of("Config").stop(), Verdict::Clean);
    assert_rule(&of("__init__").stop(), "reaches-attribute");
    assert_rule(&of("__globals__").stop(), "reaches-attribute");
    // A method that is reached must not be called.
    assert_rule(&of("forward").args("x").op(b'R').stop(), "reaches-attribute");
    let computed = Asm::proto(2)
        .global("builtins", "getattr")
        .global("torch.nn.modules.activation", "GELU")
        .op(b'N')
        .op(0x86)
        .op(b'R')
        .stop();
    assert_rule(&computed, "reaches-attribute");
    let handed_on = Asm::proto(2)
        .global("collections", "defaultdict")
        .global("builtins", "getattr")
        .op(0x85)
        .op(b'R')
        .stop();
    assert_rule(&handed_on, "reaches-attribute");
    // A submodule that a library has imported is no class.
    let module = Asm::proto(2)
        .global("builtins", "getattr")
        .global("torch", "hub")
        .text("os")
        .op(0x86)
        .op(b'R')
        .stop();
    assert_verdict(&module, Verdict::Unsafe);
}

#[test]
fn a_partial_is_judged_by_what_it_calls() {
    let of = |module: &str, name: &str| {
        Asm::proto(2).global("functools", "partial").global(module, name).op(0x85).op(b'R')
    };
    assert_verdict(&of("torch.nn.functional", "gelu").stop(), Verdict::Clean);
    assert_verdict(&of("os", "system").stop(), Verdict::Unsafe);
    assert_verdict(&of("torch.nn.functional", "gelu").args("x").op(b'R').stop(), Verdict::Unsafe);
    // The state of a partial holds the function that is really called.
    let state = of("torch.nn.functional", "gelu").op(b'(').global("os", "system").op(b')').op(b'}').op(b'N');
    assert_rule(&state.op(b't').op(b'b').stop(), "starts-process");
}

#[test]
fn a_partial_calls_what_its_state_names() {
    let made = Asm::proto(2).global("functools", "partial").global("builtins", "int").op(0x85).op(b'R');
    let reached = made.clone().op(b'(').global("builtins", "getattr").global("pathlib", "Path");
    let reached = reached.text("write_text").op(0x86).op(b'R').op(b')').op(b'}').op(b'N').op(b't').op(b'b');
    assert_rule(&reached.op(b')').op(b'R').stop(), "reaches-attribute");
    // A state that cannot be told gives it a function that cannot be told.
    assert_rule(&made.op(b'N').op(b'b').stop(), "computed-callable");
}

#[test]
fn functions_of_numpy_come_from_numpy_alone() {
    let of = |module: &str, name: &str| {
        let call = Asm::proto(2).global("numpy.core", "_ufunc_reconstruct");
        call.text(module).text(name).op(0x86).op(b'R').stop()
    };
    assert_rule(&of("os", "system"), "imports-module");
    assert_rule(&of("numpy.x", "y.os"), "imports-module");
    let own = judge("x.pkl", &of("numpy.core._multiarray_umath", "add"));
    assert_ne!(own.verdict, Verdict::Unsafe, "{:?}", own.findings);
}

#[test]
fn what_is_shared_by_name_gets_no_state() {
    let logger = Asm::proto(2).global("logging", "getLogger").args("x").op(b'R');
    assert_rule(&logger.op(b'}').text("disabled").op(0x88).op(b's').op(b'b').stop(), "rewires");
}

#[test]
fn build_must_not_rewire() {
    let class = Asm::proto(2)
        .global("torch.nn.modules.linear", "Linear")
        .op(b'}')
        .text("a")
        .int(1)
        .op(b's')
        .op(b'b')
        .stop();
    assert_rule(&class, "rewires");
    let instance = |key: &str| {
        Asm::proto(2)
            .global("torch.nn.modules.linear", "Linear")
            .op(b')')
            .op(0x81)
            .op(b'}')
            .text(key)
            .int(1)
            .op(b's')
            .op(b'b')
            .stop()
    };
    assert_verdict(&instance("weight"), Verdict::Clean);
    for key in ["__class__", "__reduce__", "__setstate__", "__call__", "__code__"] {
        assert_rule(&instance(key), "rewires");
    }
    let slots = Asm::proto(2)
        .global("torch.nn.modules.linear", "Linear")
        .op(b')')
        .op(0x81)
        .op(b'N')
        .op(b'(')
        .text("__class__")
        .int(1)
        .op(b'd')
        .op(0x86)
        .op(b'b')
        .stop();
    assert_rule(&slots, "rewires");
    let item = Asm::proto(2).global("torch.nn.modules.linear", "Linear").text("a").int(1).op(b's').stop();
    assert_rule(&item, "rewires");
}

#[test]
fn extension_codes_are_found() {
    for code in [&b"\x82\x01"[..], b"\x83\x01\x00", b"\x84\x01\x00\x00\x00"] {
        assert_rule(&Asm::proto(2).raw(code).args("x").op(b'R').stop(), "extension-code");
    }
}

#[test]
fn frames_that_two_unpicklers_read_differently_are_judged_both_ways() {
    // The frame ends within the argument of a byte string. Who reads on sees bytes; who drops the rest of the frame reads the
    // argument from behind it, and then opcodes that the other takes for data.
    let call = Asm::bare().global("os", "system").args("x").op(b'R').op(b'.').0;
    let mut data = vec![b'_'; 16];
    data.extend_from_slice(&call);
    let inner = Asm::bare().op(b'C').raw([data.len() as u8]).raw(&data).0;
    // Frame: opcode, length, and four bytes of the data.
    let bytes = Asm::proto(4).op(0x95).raw(6_u64.to_le_bytes()).raw(&inner).raw(b".").0;
    assert_rule(&bytes, "frame-straddle");
    let nested =
        Asm::proto(4).op(0x95).raw(40_u64.to_le_bytes()).op(0x95).raw(2_u64.to_le_bytes()).raw("N.").0;
    assert_rule(&nested, "frame-straddle");
    let honest = Asm::proto(4).op(0x95).raw(2_u64.to_le_bytes()).raw("N.").0;
    assert_verdict(&honest, Verdict::Clean);
}

#[test]
fn the_reading_that_drops_the_rest_of_a_frame_is_followed() {
    // Read on: BINBYTES of 30 bytes, then STOP. Dropped: the 30 bytes begin behind the frame, and what follows is a call.
    let call = Asm::bare().global("os", "system").args("x").op(b'R').op(b'.').0;
    let mut bytes = Asm::proto(4).op(0x95).raw(15_u64.to_le_bytes()).0;
    bytes.extend_from_slice(b"B\x1e\x00\x00\x00");
    // The rest of the frame, ten bytes, then twenty bytes that complete the string for who reads on.
    bytes.extend_from_slice(&[b'_'; 30]);
    bytes.push(b'.');
    // For who drops ten bytes, the string ends ten bytes later: here.
    bytes.extend_from_slice(&[b'_'; 9]);
    bytes.extend_from_slice(&call);
    let report = judge("model.bin", &bytes);
    assert!(report.findings.iter().any(|one| one.rule.as_str() == "frame-straddle"), "{:?}", report.findings);
    assert!(report.findings.iter().any(|one| one.rule.as_str() == "starts-process"), "{:?}", report.findings);
}

#[test]
fn bombs_are_found_and_cost_little() {
    // Lists of lists, each referring ten times to the one before.
    let mut laughs = Asm::proto(2).op(b']').put(0);
    for level in 1..12_u8 {
        laughs = laughs.op(b'0').op(b']').put(level).op(b'(');
        for _ in 0..10 {
            laughs = laughs.get(level - 1);
        }
        laughs = laughs.op(b'e');
        if level == 1 {
            laughs = laughs.int(1).op(b'a');
        }
    }
    assert_rule(&laughs.stop(), "pickle-bomb");
    let mut doubled = Asm::proto(2).op(b')');
    for _ in 0..60 {
        doubled = doubled.op(b'2').op(0x86);
    }
    assert_rule(&doubled.stop(), "pickle-bomb");
    assert_rule(&Asm::proto(4).op(0x8e).raw((1_u64 << 40).to_le_bytes()).stop(), "pickle-bomb");
    assert_rule(&Asm::proto(4).op(0x95).raw((1_u64 << 50).to_le_bytes()).raw("N.").0, "pickle-bomb");
    assert_rule(&Asm::proto(2).op(b'N').raw(b"r\xff\xff\xff\x7f").stop(), "pickle-bomb");
    let zeros = Asm::proto(2)
        .global("builtins", "bytearray")
        .raw(b"\x8a\x06\x00\x00\x00\x00\x00\x01")
        .op(0x85)
        .op(b'R');
    assert_rule(&zeros.stop(), "pickle-bomb");
    assert_rule(&Asm::proto(1).raw("L").raw("9".repeat(20_000)).raw("L\n").stop(), "pickle-bomb");
    // Filler alone is no bomb, and it ends.
    let mut filler = Asm::proto(2);
    for _ in 0..300_000 {
        filler = filler.op(b'N').op(b'0');
    }
    assert_verdict(&filler.op(b'N').stop(), Verdict::Clean);
}

#[test]
fn fuel_ends_a_scan_and_the_verdict_says_so() {
    let mut filler = Asm::proto(2).0;
    filler.extend(std::iter::repeat_n(*b"N0", 10_000).flatten());
    filler.extend_from_slice(b"N.");
    let fuel = Fuel::new(Limits { unpacked_bytes: 0, steps: 9_000, entries: 0, depth: 2 });
    let report = scan("a.pkl", &filler, &fuel);
    assert_eq!(report.verdict, Verdict::Inconclusive);
    assert!(report.doubts.iter().any(|one| one.rule.as_str() == "out-of-fuel"), "{:?}", report.doubts);
    assert!(report.parts[0].coverage.opaque > 0);
}

#[test]
fn pickles_within_bytes_are_found_and_words_in_texts_are_not() {
    let inner = Asm::proto(4).stack_global("os", "system").args("x").op(b'R').stop();
    assert_rule(&Asm::proto(4).bytes(&inner).stop(), "starts-process");
    let bare = Asm::bare().global("os", "system").raw("(S'x'\ntR").stop();
    assert_rule(&Asm::proto(4).bytes(&bare).stop(), "starts-process");
    let words = Asm::proto(4).text("cos\nsystem\n(S'x'\ntR.").stop();
    assert_verdict(&words, Verdict::Clean);
    let readme = b"# How a pickle attacks\n```\ncos\nsystem\n(S'x'\ntR.\n```\n";
    assert_ne!(judge("README.md", readme).verdict, Verdict::Unsafe);
    let storage =
        Asm::proto(2).global("torch.storage", "_load_from_bytes").bytes(&inner).op(0x85).op(b'R').stop();
    assert_rule(&storage, "starts-process");
    let honest = Asm::proto(2)
        .global("torch.storage", "_load_from_bytes")
        .bytes(&Asm::proto(2).op(b'}').stop())
        .op(0x85)
        .op(b'R')
        .stop();
    assert_verdict(&honest, Verdict::Clean);
}

#[test]
fn text_behind_a_broken_or_long_stream_of_protocol_0_is_looked_through() {
    let call = Asm::bare().global("os", "system").raw("(S'x'\ntR").stop();
    let broken = Asm::bare().raw("I1\n?nothing that is an opcode\n").raw(&call).0;
    assert_eq!(judge("a.pkl", &broken).verdict, Verdict::Unsafe);
    let mut long = Asm::bare().raw("I1\n.(lp0\n").0;
    for _ in 0..5_000 {
        long.extend_from_slice(b"I5\na");
    }
    long.extend_from_slice(&call);
    assert_verdict(&long, Verdict::Unsafe);
    // The first kilobytes are one text.
    let mut wide = Asm::bare().raw("(lp0\nS'").raw("w".repeat(9_000)).raw("'\np1\na").0;
    wide.extend_from_slice(&call);
    assert_verdict(&wide, Verdict::Unsafe);
}

#[test]
fn a_file_under_a_harmless_name_is_disguised() {
    let bytes = Asm::proto(2).op(b'}').stop();
    for (name, verdict) in [
        ("model.safetensors", Verdict::Unsafe),
        ("model.gguf", Verdict::Unsafe),
        ("notes.txt", Verdict::Unsafe),
        ("model.pt", Verdict::Clean),
        ("optimizer.bin", Verdict::Clean),
        ("checkpoint", Verdict::Clean),
    ] {
        assert_eq!(judge(name, &bytes).verdict, verdict, "{name}");
    }
}

#[test]
fn classes_that_no_pack_knows_are_doubts_in_known_libraries_and_findings_elsewhere() {
    let made = |module: &str, name: &str| Asm::proto(2).global(module, name).op(b')').op(0x81).stop();
    assert_verdict(&made("sklearn.linear_model._base", "LinearRegression"), Verdict::Clean);
    assert_verdict(&made("sklearn.linear_model._base", "FutureRegression"), Verdict::Inconclusive);
    assert_verdict(&made("sklearn.linear_model._base", "future_regression"), Verdict::Unsafe);
    assert_verdict(&made("evil.pkg", "Regression"), Verdict::Unsafe);
    assert_verdict(&made("__main__", "Net"), Verdict::Inconclusive);
    assert_verdict(&made("torch.new", "ShellCommand"), Verdict::Unsafe);
    assert_verdict(&made("textwrap", "TextWrapper"), Verdict::Unsafe);
}

#[test]
fn honest_idioms_are_clean() {
    let reconstructed = Asm::proto(2)
        .global("copyreg", "_reconstructor")
        .op(b'(')
        .global("sklearn.preprocessing._data", "StandardScaler")
        .global("builtins", "object")
        .op(b'N')
        .op(b't')
        .op(b'R');
    assert_verdict(&reconstructed.stop(), Verdict::Clean);
    let encoded =
        Asm::proto(2).global("_codecs", "encode").text("\u{ff}").text("latin1").op(0x86).op(b'R').stop();
    assert_verdict(&encoded, Verdict::Clean);
    let decoded =
        Asm::proto(2).global("_codecs", "encode").text("abc").text("rot13").op(0x86).op(b'R').stop();
    assert_verdict(&decoded, Verdict::Unsafe);
    let path =
        Asm::proto(2).global("pathlib", "PosixPath").op(b'(').text("/").text("data").op(b't').op(b'R').stop();
    assert_verdict(&path, Verdict::Clean);
}

#[test]
fn arrays_of_joblib_are_skipped_as_they_are_long_and_judged_where_they_are_objects() {
    let wrapper = |dtype: &str, side: i32, padded: bool| {
        let mut asm = Asm::proto(3)
            .global("joblib.numpy_pickle", "NumpyArrayWrapper")
            .op(b')')
            .op(0x81)
            .op(b'}')
            .op(b'(')
            .text("shape")
            .int(side)
            .op(0x85)
            .text("dtype")
            .global("numpy", "dtype")
            .op(b'(')
            .text(dtype)
            .op(0x89)
            .op(0x88)
            .op(b't')
            .op(b'R');
        if padded {
            asm = asm.text("numpy_array_alignment_bytes").int(16);
        }
        asm.op(b'u').op(b'b')
    };
    // Numbers that are no opcodes, and a call behind them that must be seen.
    let call = Asm::bare().op(b'0').global("os", "system").args("x").op(b'R').0;
    let numbers = [0xff_u8; 24];
    let bytes = wrapper("f8", 3, true).raw([2, 0xff, 0xff]).raw(numbers).raw(&call).stop();
    assert_rule(&bytes, "starts-process");
    let clean = wrapper("f8", 3, true).raw([2, 0xff, 0xff]).raw(numbers).stop();
    let report = judge("model.joblib", &clean);
    assert_eq!(report.verdict, Verdict::Clean, "{:?} {:?}", report.findings, report.doubts);
    assert_eq!(report.parts[0].coverage.payload, 27);
    assert_verdict(&wrapper("f8", 3, false).raw(numbers).stop(), Verdict::Clean);
    let objects =
        wrapper("O8", 1, false).raw(Asm::proto(3).global("os", "system").args("x").op(b'R').stop()).stop();
    assert_rule(&objects, "starts-process");
    let missing = wrapper("f8", 30, false).raw(numbers).stop();
    assert_verdict(&missing, Verdict::Inconclusive);
    // Whoever loads it as a plain pickle runs the numbers.
    let plain = Asm::bare().global("os", "system").args("x").op(b'R').0;
    let bytes = wrapper("u1", plain.len() as i32, false).raw(&plain).stop();
    assert_rule(&bytes, "starts-process");
}

#[test]
fn arrays_of_numpy_are_payload_and_headers_are_never_evaluated() {
    let file = |header: &str, body: &[u8]| {
        let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
        bytes.extend_from_slice(&(header.len() as u16).to_le_bytes());
        bytes.extend_from_slice(header.as_bytes());
        bytes.extend_from_slice(body);
        bytes
    };
    let header = |descr: &str, shape: &str| {
        format!("{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}\n")
    };
    for (descr, shape, len) in [
        ("'<f8'", "(2, 3)", 48),
        ("'|b1'", "()", 1),
        ("'<U5'", "(2,)", 40),
        ("'<M8[ns]'", "(1,)", 8),
        ("[('a', '<i4'), ('b', '<f8', (2,))]", "(3,)", 60),
        ("'<f4'", "(0, 7)", 0),
    ] {
        let bytes = file(&header(descr, shape), &vec![0xff; len]);
        let report = judge("a.npy", &bytes);
        assert_eq!(report.verdict, Verdict::Clean, "{descr}: {:?} {:?}", report.findings, report.doubts);
        assert_eq!(report.parts[0].coverage.payload, len as u64);
    }
    assert_verdict(&file(&header("'<f8'", "(2,)"), &[0; 24]), Verdict::Inconclusive);
    assert_verdict(&file(&header("'<f8'", "(2,)"), &[0; 8]), Verdict::Unsafe);
    assert_verdict(&file(&header("'<f8'", "(9999999999, 9999999999)"), &[0; 8]), Verdict::Unsafe);
    assert_verdict(&file("__import__('os').system('x')\n", &[]), Verdict::Unsafe);
    let call = Asm::proto(3).global("os", "system").args("x").op(b'R').stop();
    assert_rule(&file(&header("'|O'", "(1,)"), &call), "starts-process");
    assert_rule(&file(&header("[('a', '|O')]", "(1,)"), &call), "starts-process");
    assert_verdict(&file(&header("'|O'", "(1,)"), &Asm::proto(3).op(b']').stop()), Verdict::Clean);
}

#[test]
fn old_files_of_torch_are_followed_to_their_last_storage() {
    let file = |object: Vec<u8>, keys: Vec<u8>, rest: &[u8]| {
        let mut bytes = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.".to_vec();
        bytes.extend(Asm::proto(2).int(1001).stop());
        bytes.extend(Asm::proto(2).op(b'}').text("little_endian").op(0x88).op(b's').stop());
        bytes.extend(object);
        bytes.extend(keys);
        bytes.extend_from_slice(rest);
        bytes
    };
    let storage = |key: &str, count: i32| {
        Asm::proto(2)
            .op(b'(')
            .text("storage")
            .global("torch", "FloatStorage")
            .text(key)
            .text("cpu")
            .int(count)
            .op(b'N')
            .op(b't')
            .op(b'Q')
            .stop()
    };
    let keys = Asm::proto(2).op(b']').text("7").op(b'a').stop();
    let mut numbers = 3_u64.to_le_bytes().to_vec();
    numbers.extend_from_slice(&[0xaa; 12]);
    let clean = judge("a.pth", &file(storage("7", 3), keys.clone(), &numbers));
    assert_eq!(clean.verdict, Verdict::Clean, "{:?} {:?}", clean.findings, clean.doubts);
    assert_eq!((clean.parts[0].format.as_ref(), clean.parts[0].coverage.payload), ("torch-legacy", 12));
    for (object, rest) in [
        (storage("7", 4), numbers.clone()),
        (storage("8", 3), numbers.clone()),
        (storage("7", 3), numbers[..15].to_vec()),
        (storage("7", 3), [numbers.clone(), vec![0xff; 4]].concat()),
    ] {
        assert_verdict(&file(object, keys.clone(), &rest), Verdict::Inconclusive);
    }
    let call = Asm::proto(2).global("os", "system").args("x").op(b'R').stop();
    assert_rule(&file(call.clone(), keys.clone(), &[]), "starts-process");
    assert_rule(&file(storage("7", 3), keys, &[numbers, call].concat()), "starts-process");
}

#[test]
fn a_decompilation_tells_what_happens_in_order() {
    let bytes = Asm::proto(2)
        .global("collections", "OrderedDict")
        .op(b')')
        .op(b'R')
        .op(b'0')
        .global("os", "system")
        .args("echo")
        .op(b'R')
        .stop();
    let fuel = Fuel::new(Limits::for_file(bytes.len() as u64));
    let lines: Vec<_> = decompile(&bytes, &fuel).into_iter().map(|line| line.expression).collect();
    assert_eq!(lines, ["collections.OrderedDict()", "os.system(\"echo\")"]);
}
