//! What a verifier allows and what not.

use alcaide_artifact::signing::{
    Bundle, Defaults, EmptyFiles, Entry, IgnoredWeights, Kind, Links, Method, Names, PathFault, Rules,
    Scheme, SignAs, SigningError, Survey, Unsigned, sign,
};
use alcaide_seal::hash::HashAlgorithm;

use super::tree::{Tree, agreed, bundle_of, compare, entry, new_key, path, stamped, trusting, verify};

fn tree() -> Tree {
    Tree::of(&[("config.json", b"{}"), ("w.safetensors", b"weights")])
}

#[test]
fn files_that_came_later_are_refused_unless_they_are_ignored_by_name() {
    let key = new_key();
    let strict = Rules::default();
    let bundle = bundle_of(&tree(), &strict, &key).to_json().unwrap();
    let trust = trusting(&[&key]);
    let check = |tree: &Tree, rules: &Rules| verify(tree, &bundle, &trust, rules);
    let later = tree().with("notes/later.txt", b"x");
    assert_eq!(
        check(&later, &strict).unwrap_err(),
        SigningError::Added { path: path("notes/later.txt"), more: 0 }
    );
    let two = later.with("z.txt", b"");
    assert_eq!(
        check(&two, &strict).unwrap_err(),
        SigningError::Added { path: path("notes/later.txt"), more: 1 }
    );
    let lenient = Rules { ignore: [path("notes")].into(), ..Rules::default() };
    assert_eq!(check(&later, &lenient).unwrap().ignored(), [path("notes/later.txt")]);
    let listing = Rules { unsigned: Unsigned::List, ..Rules::default() };
    assert_eq!(check(&two, &listing).unwrap().unsigned(), [path("notes/later.txt"), path("z.txt")]);
    assert!(check(&tree().with(".git/HEAD", b"x").with(".gitattributes", b""), &strict).is_ok());
    assert!(matches!(check(&tree().with("sub/.git/HEAD", b"x"), &strict), Err(SigningError::Added { .. })));
}

#[test]
fn what_is_signed_is_looked_at_though_a_rule_ignores_it() {
    let key = new_key();
    let bundle = bundle_of(&tree(), &Rules::default(), &key).to_json().unwrap();
    let lenient = Rules {
        ignore: [path("w.safetensors"), path("config.json")].into(),
        ignored_weights: IgnoredWeights::Allow,
        ..Rules::default()
    };
    let check = |tree: &Tree| verify(tree, &bundle, &trusting(&[&key]), &lenient);
    assert!(check(&tree()).is_ok());
    assert!(matches!(check(&tree().with("w.safetensors", b"others")), Err(SigningError::Changed { .. })));
    assert!(matches!(check(&tree().without("config.json")), Err(SigningError::Missing { .. })));
}

#[test]
fn a_signer_leaves_out_no_more_than_the_verifier_allows() {
    let key = new_key();
    let signers = Rules { ignore: [path("cache")].into(), ..Rules::default() };
    let bundle = bundle_of(&tree(), &signers, &key).to_json().unwrap();
    let check = |rules: &Rules| verify(&tree(), &bundle, &trusting(&[&key]), rules);
    assert_eq!(
        check(&Rules::default()).unwrap_err(),
        SigningError::IgnoreNotAllowed { path: "cache".to_owned() }
    );
    assert!(check(&signers).is_ok());
    assert!(check(&Rules { ignore: [path("cache/sub")].into(), ..Rules::default() }).is_err());
}

#[test]
fn weights_are_not_left_out_without_a_leave_of_their_own() {
    let key = new_key();
    let rules =
        Rules { ignore: [path("extra")].into(), signatures: [path("model.sig")].into(), ..Rules::default() };
    let bundle = bundle_of(&tree(), &rules, &key).to_json().unwrap();
    let check = |tree: &Tree, rules: &Rules| verify(tree, &bundle, &trusting(&[&key]), rules);
    let mut hidden = 20_u64.to_le_bytes().to_vec();
    hidden.extend_from_slice(b"{\"a\":{}}");
    for (name, bytes) in [
        ("extra/adapter.bin", &b"x"[..]),
        ("extra/notes.txt", &hidden),
        ("model.sig", &hidden),
        (".github/adapter.bin", b"x"),
        (".github/notes", &hidden),
        (".git/notes", &hidden),
        (".git/lfs/objects/notes", &hidden),
        (".gitignore", &hidden),
    ] {
        let more = tree().with(name, bytes);
        assert_eq!(check(&more, &rules).unwrap_err(), SigningError::WeightsIgnored { path: path(name) });
        let allowing = Rules { ignored_weights: IgnoredWeights::Allow, ..rules.clone() };
        assert!(check(&more, &allowing).is_ok());
        assert!(matches!(more.manifest(Scheme::STANDARD, &rules), Err(SigningError::WeightsIgnored { .. })));
    }
    assert!(check(&tree().with("extra/notes.txt", b"text").with("model.sig", &bundle), &rules).is_ok());
    let object = format!(".git/lfs/objects/ab/cd/{}", "abcd".repeat(16));
    let usual =
        tree().with(&object, &hidden).with(".git/refs/heads/v1.bin", b"0123").with(".gitignore", b"*.bin");
    assert!(check(&usual, &rules).is_ok());
}

#[test]
fn a_signature_may_be_called_after_its_weights() {
    let key = new_key();
    let rules = Rules { signatures: [path("w.safetensors.sig")].into(), ..Rules::default() };
    let bundle = bundle_of(&tree(), &rules, &key).to_json().unwrap();
    let signed = tree().with("w.safetensors.sig", &bundle);
    assert_eq!(
        verify(&signed, &bundle, &trusting(&[&key]), &rules).unwrap().ignored(),
        [path("w.safetensors.sig")]
    );
    let weights = tree().with("w.safetensors.sig", b"GGUF\x03\0\0\0");
    let refused = SigningError::WeightsIgnored { path: path("w.safetensors.sig") };
    assert_eq!(verify(&weights, &bundle, &trusting(&[&key]), &rules).unwrap_err(), refused);
}

#[test]
fn the_defaults_can_be_refused_and_are_the_kind_of_thing_they_are_named_for() {
    let key = new_key();
    let strict = Rules { defaults: Defaults::Refuse, ..Rules::default() };
    let bundle = bundle_of(&tree(), &Rules::default(), &key).to_json().unwrap();
    let check = |tree: &Tree, rules: &Rules| verify(tree, &bundle, &trusting(&[&key]), rules);
    assert!(check(&tree(), &strict).is_ok());
    for name in [".git/HEAD", ".github/x", ".gitignore"] {
        let more = tree().with(name, b"x");
        assert!(check(&more, &Rules::default()).is_ok(), "{name}");
        assert_eq!(check(&more, &strict).unwrap_err(), SigningError::Added { path: path(name), more: 0 });
    }
    for name in [".gitignore/x", ".gitattributes/x"] {
        let added = SigningError::Added { path: path(name), more: 0 };
        assert_eq!(check(&tree().with(name, b"x"), &Rules::default()).unwrap_err(), added);
    }
    // Who signs under the same rules signs them, and says so.
    let all = tree().with(".gitignore", b"x");
    let own = bundle_of(&all, &strict, &key).to_json().unwrap();
    assert!(verify(&all, &own, &trusting(&[&key]), &strict).is_ok());
    assert!(matches!(
        verify(&tree(), &own, &trusting(&[&key]), &Rules::default()),
        Err(SigningError::Missing { .. })
    ));
    let special = |name: &str| {
        let rules = Rules { ignore: [path("logs")].into(), ..Rules::default() };
        let mut survey = Survey::to_sign(Scheme::STANDARD, &rules);
        survey.add(&entry(name, Kind::<Vec<u8>>::Special), None)
    };
    assert_eq!(special(".git/fsmonitor--daemon.ipc"), Ok(()));
    for name in [".github/pipe", "logs/pipe"] {
        assert_eq!(special(name), Err(SigningError::SpecialFile { path: path(name) }));
    }
}

#[test]
fn empty_files_that_shards_do_not_list_are_refused_unless_they_are_allowed() {
    let key = new_key();
    let rules = Rules::default();
    let scheme = Scheme { method: Method::Shards { bytes: 3 }, hash: HashAlgorithm::Sha256 };
    let bundle =
        sign(&tree().manifest(scheme, &rules).unwrap(), &key, SignAs::Key).unwrap().to_json().unwrap();
    let more = tree().with("lib/__init__.py", b"");
    let check = |tree: &Tree, rules: &Rules| verify(tree, &bundle, &trusting(&[&key]), rules);
    assert!(check(&tree(), &rules).is_ok());
    let added = SigningError::Added { path: path("lib/__init__.py"), more: 0 };
    assert_eq!(check(&more, &rules).unwrap_err(), added);
    let allowing = Rules { empty: EmptyFiles::List, ..Rules::default() };
    assert_eq!(check(&more, &allowing).unwrap().unsigned(), [path("lib/__init__.py")]);
    // Empty when it was looked at, and not when it was read.
    let agreed = agreed(&Bundle::parse(&bundle).unwrap(), &trusting(&[&key]), &allowing).unwrap();
    let mut survey = agreed.survey(&allowing);
    for entry in tree().entries() {
        survey.add(&entry, None).unwrap();
    }
    let _ = survey.admit(&entry("late", Kind::File(Vec::new()))).unwrap();
    survey.record(scheme.measure(&path("late"), &b"bytes".to_vec()).unwrap()).unwrap();
    assert_eq!(survey.finish().unwrap_err(), SigningError::Added { path: path("late"), more: 0 });
}

#[test]
fn a_second_walk_finds_what_came_went_or_changed() {
    let rules = Rules { ignore: [path("logs")].into(), ..Rules::default() };
    let first = tree().with("logs/a", b"x").with(".git/HEAD", b"x");
    let mut survey = Survey::to_sign(Scheme::STANDARD, &rules);
    for (name, bytes) in &first.0 {
        survey.add(&stamped(name, bytes, 1), None).unwrap();
    }
    let again = |tree: &Tree, stamp| {
        survey.confirm(tree.0.iter().map(move |(name, bytes)| stamped(name, bytes, stamp)))
    };
    let changed = |name: &str| Err(SigningError::TreeChanged { path: name.to_owned() });
    assert_eq!(again(&first, 1), Ok(()));
    assert_eq!(again(&first, 2), changed("config.json"));
    assert_eq!(again(&first.with("w.safetensors", b"longer weights"), 1), changed("w.safetensors"));
    assert_eq!(again(&first.with("zz", b""), 1), changed("zz"));
    assert_eq!(again(&first.without("config.json"), 1), changed("config.json"));
    assert_eq!(again(&first.without("logs/a"), 1), changed("logs/a"));
    let twice = tree().entries().into_iter().chain(tree().entries());
    let mut survey = Survey::to_sign(Scheme::STANDARD, &rules);
    for entry in tree().entries() {
        survey.add(&entry, None).unwrap();
    }
    assert_eq!(survey.confirm(twice), changed("config.json"));
    let linked = tree().0.into_keys().map(|name| entry(&name, Kind::<Vec<u8>>::Link));
    assert_eq!(survey.confirm(linked), changed("config.json"));
}

#[test]
fn links_count_only_where_both_sides_follow_them() {
    let key = new_key();
    let strict = Rules::default();
    let following = Rules { links: Links::Follow, ..Rules::default() };
    let sign_with = |rules: &Rules, kind: Kind<Vec<u8>>| {
        let mut survey = Survey::to_sign(Scheme::STANDARD, rules);
        survey.add(&entry("w", kind), None)?;
        sign(&survey.into_surveyed("model")?, &key, SignAs::Key)
    };
    let linked = || Kind::Linked(b"x".to_vec());
    let file = || Kind::File(b"x".to_vec());
    let check = |bundle: &Bundle, rules: &Rules, kind: Kind<Vec<u8>>| {
        compare(&agreed(bundle, &trusting(&[&key]), rules)?, rules, &[entry("w", kind)], None)
    };
    assert_eq!(sign_with(&strict, linked()).unwrap_err(), SigningError::Link { path: path("w") });
    assert_eq!(sign_with(&following, Kind::Link).unwrap_err(), SigningError::Link { path: path("w") });
    assert_eq!(
        sign_with(&following, Kind::Special).unwrap_err(),
        SigningError::SpecialFile { path: path("w") }
    );
    let (plain, followed) = (sign_with(&strict, file()).unwrap(), sign_with(&following, linked()).unwrap());
    assert!(check(&followed, &following, linked()).is_ok());
    assert!(check(&followed, &following, file()).is_ok());
    assert_eq!(check(&followed, &strict, linked()).unwrap_err(), SigningError::Link { path: path("w") });
    assert_eq!(
        check(&plain, &following, linked()).unwrap_err(),
        SigningError::LinkNotSigned { path: path("w") }
    );
    assert_eq!(check(&plain, &strict, Kind::Link).unwrap_err(), SigningError::Link { path: path("w") });
    assert_eq!(
        check(&plain, &strict, Kind::Special).unwrap_err(),
        SigningError::SpecialFile { path: path("w") }
    );
}

#[test]
fn a_model_is_not_empty() {
    assert_eq!(Tree::default().manifest(Scheme::STANDARD, &Rules::default()), Err(SigningError::EmptyModel));
    let ignored = Tree::of(&[(".git/HEAD", b"x")]);
    assert_eq!(ignored.manifest(Scheme::STANDARD, &Rules::default()), Err(SigningError::EmptyModel));
    let shards = Scheme { method: Method::Shards { bytes: 10 }, hash: HashAlgorithm::Sha256 };
    let hollow = Tree::of(&[("a", b""), ("b", b"")]);
    assert_eq!(hollow.manifest(shards, &Rules::default()), Err(SigningError::EmptyModel));
    assert!(hollow.manifest(Scheme::STANDARD, &Rules::default()).is_ok());
}

#[test]
fn names_that_lead_out_or_are_one_are_refused() {
    let rules = Rules::default();
    let add = |names: &[&[u8]], rules: &Rules| {
        let mut survey = Survey::to_sign(Scheme::STANDARD, rules);
        for name in names {
            let one = Entry { path: name.to_vec(), kind: Kind::File(b"x".to_vec()), stamp: None };
            survey.add(&one, None)?;
        }
        survey.into_surveyed("model").map(|_| ())
    };
    for (name, fault) in [
        (&b"../x"[..], PathFault::Dots),
        (b"/x", PathFault::Absolute),
        (b"a//x", PathFault::EmptyPart),
        (b"a\\x", PathFault::Backslash),
        (b"\xff", PathFault::NotUtf8),
        (b"a\nb", PathFault::Control),
    ] {
        let error = add(&[name], &rules).unwrap_err();
        assert!(matches!(&error, SigningError::Path { fault: found, .. } if *found == fault), "{error}");
    }
    assert_eq!(add(&[b"a", b"a"], &rules), Err(SigningError::DuplicatePath { path: path("a") }));
    assert_eq!(add(&[b"a", b"a/b"], &rules), Err(SigningError::DuplicatePath { path: path("a") }));
    let collide = |pair: &[&[u8]]| matches!(add(pair, &rules), Err(SigningError::NamesCollide { .. }));
    for pair in [[&b"A"[..], b"a/x"], [b"a/x", b"A"], [b"B/c/d", b"b/C"], [b"b/C", b"B/c/d"]] {
        assert!(collide(&pair), "{pair:?}");
        assert_eq!(add(&pair, &Rules { names: Names::Exact, ..Rules::default() }), Ok(()));
    }
    assert_eq!(add(&[b"a/x", b"a/y", b"A/z", b"ab"], &rules), Ok(()));
    let ignoring = Rules { ignore: [path("Logs"), path("w")].into(), ..Rules::default() };
    for pair in [
        [&b"Logs"[..], b"logs"],
        [b"logs", b"Logs"],
        [b"Logs/x", b"logs"],
        [b"logs", b"Logs/x"],
        [b"w", b"W/x"],
        [b"W/x", b"w"],
    ] {
        let error = add(&pair, &ignoring);
        assert!(matches!(error, Err(SigningError::NamesCollide { .. })), "{pair:?} {error:?}");
    }
    assert_eq!(add(&[b"Logs/A", b"Logs/a", b"x"], &ignoring), Ok(()));
    for (name, fault) in [
        (&b"w.bin:stream"[..], PathFault::Reserved),
        (b"sub/w.bin.", PathFault::Reserved),
        (b"con.txt", PathFault::Reserved),
        ("w\u{200b}.bin".as_bytes(), PathFault::Hidden),
    ] {
        let error = add(&[name], &rules).unwrap_err();
        assert!(matches!(&error, SigningError::Path { fault: found, .. } if *found == fault), "{error}");
        assert_eq!(add(&[name], &Rules { names: Names::Exact, ..Rules::default() }), Ok(()));
    }
    let composed = "\u{fc}".as_bytes();
    let decomposed = "u\u{308}".as_bytes();
    for pair in [[&b"README.md"[..], b"readme.MD"], [composed, decomposed]] {
        assert!(matches!(add(&pair, &rules), Err(SigningError::NamesCollide { .. })));
        assert_eq!(add(&pair, &Rules { names: Names::Exact, ..Rules::default() }), Ok(()));
    }
}

#[test]
fn names_in_a_bundle_are_checked_like_names_in_a_tree() {
    let key = new_key();
    let exact = Rules { names: Names::Exact, ..Rules::default() };
    let both = Tree::of(&[("A", b"1"), ("a", b"2")]);
    let bundle = bundle_of(&both, &exact, &key).to_json().unwrap();
    assert!(verify(&both, &bundle, &trusting(&[&key]), &exact).is_ok());
    let only = Tree::of(&[("a", b"2")]);
    assert!(matches!(
        verify(&only, &bundle, &trusting(&[&key]), &Rules::default()),
        Err(SigningError::NamesCollide { .. })
    ));
}

#[test]
fn what_was_announced_has_to_be_measured() {
    let rules = Rules::default();
    let tree = tree();
    let mut survey = Survey::to_sign(Scheme::STANDARD, &rules);
    let entries = tree.entries();
    let first = survey.admit(&entries[0]).unwrap().unwrap();
    assert_eq!(first.path(), &path("config.json"));
    let measured = |name: &str, scheme: Scheme| scheme.measure(&path(name), &b"{}".to_vec()).unwrap();
    let not_asked = |name: &str| Err(SigningError::NotAsked { path: path(name) });
    assert_eq!(survey.record(measured("other", Scheme::STANDARD)), not_asked("other"));
    let other = Scheme { hash: HashAlgorithm::Blake3, ..Scheme::STANDARD };
    assert_eq!(survey.record(measured("config.json", other)), not_asked("config.json"));
    assert_eq!(survey.record(measured("config.json", Scheme::STANDARD)), Ok(()));
    assert_eq!(survey.record(measured("config.json", Scheme::STANDARD)), not_asked("config.json"));
    let _ = survey.admit(&entries[1]).unwrap();
    assert_eq!(
        survey.into_surveyed("model").unwrap_err(),
        SigningError::Unmeasured { path: path("w.safetensors") }
    );
}

#[test]
fn a_model_may_be_one_file_and_be_cut() {
    let key = new_key();
    let rules = Rules { names: Names::Exact, ..Rules::default() };
    let tree = Tree::of(&[("a:1:2.gguf", &[7; 2500])]);
    for hash in HashAlgorithm::ALL {
        for method in [Method::Files, Method::Shards { bytes: 1000 }, Method::Shards { bytes: 2500 }] {
            let manifest = tree.manifest(Scheme { method, hash }, &rules).unwrap();
            let bundle = sign(&manifest, &key, SignAs::Key).unwrap().to_json().unwrap();
            let found = verify(&tree, &bundle, &trusting(&[&key]), &rules).unwrap();
            assert_eq!(
                (found.files().len(), found.bytes(), found.manifest()),
                (1, 2500, manifest.manifest().digest())
            );
            let longer = tree.with("a:1:2.gguf", &[7; 2501]);
            assert!(matches!(
                verify(&longer, &bundle, &trusting(&[&key]), &rules),
                Err(SigningError::Changed { .. })
            ));
        }
    }
}

#[test]
fn every_refusal_says_what_to_do() {
    let error = SigningError::Added { path: path("a\u{202e}b"), more: 2 };
    assert_eq!(error.to_string(), "`a\\u{202e}b` was added after the model was signed, and 2 more");
    assert!(error.help().contains("do not use the model"));
    assert_eq!(
        SigningError::TooFewSigners { found: 1, wanted: 2 }.to_string(),
        "1 different signers agree, 2 are asked for"
    );
}

#[test]
fn every_difference_is_told_and_what_was_signed_beside_what_was_found() {
    let key = new_key();
    let rules = Rules::default();
    let four = Tree::of(&[("a", b"1"), ("b", b"2"), ("c", b"3"), ("d", b"4")]);
    let differences = |scheme: Scheme, tree: &Tree, rules: &Rules| {
        let manifest = four.manifest(scheme, rules).unwrap();
        let bundle = sign(&manifest, &key, SignAs::Key).unwrap();
        let agreed = agreed(&bundle, &trusting(&[&key]), rules).unwrap();
        let mut survey = agreed.survey(rules);
        for entry in tree.entries() {
            survey.add(&entry, None).unwrap();
        }
        survey.differences()
    };
    assert!(differences(Scheme::STANDARD, &four, &rules).is_empty());
    let other = four.with("a", b"x").with("c", b"y").without("b").without("d").with("e", b"").with("f", b"");
    let found = differences(Scheme::STANDARD, &other, &rules);
    let names: Vec<_> = found.changed.iter().map(|one| one.path.clone()).collect();
    assert_eq!(names, [path("a"), path("c")]);
    assert_eq!(
        (found.missing.as_slice(), found.added.as_slice()),
        (&[path("b"), path("d")][..], &[path("e"), path("f")][..])
    );
    let digest = |text: &str| format!("sha256:{}", alcaide_seal::sha256(text.as_bytes()));
    assert_eq!(found.changed[0].told(), (digest("1"), digest("x")));
    let listing = Rules { unsigned: Unsigned::List, ..Rules::default() };
    assert!(differences(Scheme::STANDARD, &other, &listing).added.is_empty());
    let shards = Scheme { method: Method::Shards { bytes: 1 }, hash: HashAlgorithm::Sha256 };
    let longer = differences(shards, &four.with("a", b"1z"), &rules);
    assert_eq!(
        longer.changed[0].told(),
        ("no bytes after byte 1".to_owned(), format!("{} of bytes 1 to 2", digest("z")))
    );
}
