//! Bundles of other writers through the command, each with its verdict.

use serde_json::Value;

use super::{artifact, said};

#[test]
fn each_bundle_gets_its_verdict() {
    let rows = std::fs::read_to_string(artifact("expected.jsonl")).unwrap();
    let model = artifact("model");
    let mut count = 0;
    for row in rows.lines() {
        let row: Value = serde_json::from_str(row).unwrap();
        let text = |key: &str| row[key].as_str().unwrap();
        let trust = match text("method") {
            "key" => "--key",
            "certificate" => "--roots",
            other => panic!("{other}"),
        };
        let (bundle, trusted) = (artifact(text("bundle")), artifact(text("trust")));
        let args = [
            "model",
            "verify",
            trust,
            trusted.to_str().unwrap(),
            "--signature",
            bundle.to_str().unwrap(),
            "--at",
            "2026-07-01T00:00:00Z",
            model.to_str().unwrap(),
        ];
        let told = said(&args, &[]);
        let expected = i32::from(row["accept"] != true);
        assert_eq!(told.code, expected, "{row}: {told:?}");
        assert_eq!(told.out.contains("verified "), expected == 0);
        count += 1;
    }
    assert_eq!(count, 17);
}

#[test]
fn an_expired_leaf_counts_only_at_a_time_that_something_proves() {
    let (bundle, root, model) =
        (artifact("bundles/bad-cert-expired.sig"), artifact("keys/root.pem"), artifact("model"));
    let args = [
        "model",
        "verify",
        "--roots",
        root.to_str().unwrap(),
        "--signature",
        bundle.to_str().unwrap(),
        model.to_str().unwrap(),
    ];
    said(&args, &[]).refused(
        1,
        "ALC-CLI-0063",
        &[
            "expired before the time that is asked about\n",
            "  fix: ask for a new signature; an old one counts only where something you trust proves when it was made\n",
        ],
    );
    assert_eq!(said(&args, &["--at", "2025-01-15T00:00:00Z"]).code, 0);
    said(&args, &["--at", "yesterday"]).refused(2, "ALC-CLI-0001", &["a time is written like"]);
}

#[test]
fn signatures_of_before_version_1_are_taken_where_they_are_asked_for() {
    let (bundle, key, model) =
        (artifact("historical/key.sig"), artifact("historical/key.pub.pem"), artifact("model"));
    let args = [
        "model",
        "verify",
        "--key",
        key.to_str().unwrap(),
        "--signature",
        bundle.to_str().unwrap(),
        model.to_str().unwrap(),
    ];
    said(&args, &[]).refused(1, "ALC-CLI-0063", &[]);
    assert_eq!(said(&args, &["--historical"]).code, 0);
}
