//! What needs no service: help, codes, settings, completions, the doctor, and how errors look.

use std::io::Read as _;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::house::{House, run};

fn said(args: &[&str]) -> crate::house::Said {
    run(args, &[], b"")
}

#[test]
fn wrong_usage_ends_with_two_and_a_code() {
    for args in [
        &["dance"][..],
        &["agent", "create"],
        &["agent", "create", "Bad Name", "--owner", "ana"],
        &["agent", "create", "bot", "--owner", "ana", "--may", "model/*"],
        &["agent", "token", "bot", "--life", "901"],
        &["human", "create", "ana", "--unit", "main", "--role", "king"],
        &["rollback", "1", "--yes", "--dry-run"],
        &["completion", "tcsh"],
    ] {
        said(args).refused(2, "ALC-CLI-0001", &["error: ", "  fix: see `--help` of the command\n"]);
    }
    let told = said(&["human", "create", "ana", "--unit", "main", "--role", "king"]).err;
    assert!(told.contains("the roles are `viewer`, `approver`"), "{told}");
}

#[test]
fn a_path_that_is_none_does_not_reach_the_office() {
    said(&["call", "show", "../x", "--data-dir", "/nowhere"]).refused(
        2,
        "ALC-CLI-0013",
        &[
            "error: `../x` is no name or id\n",
            "  why: names are lower case: `a-z`, `0-9`",
            "  fix: look it up in the list\n",
        ],
    );
    said(&["agent", "list"]).refused(
        2,
        "ALC-CLI-0003",
        &["error: no data directory is named\n", "  fix: name one with `--data-dir`\n"],
    );
}

#[test]
fn the_data_directory_is_found_in_the_order_that_help_tells() {
    let place = |env: &[(&str, &str)], args: &[&str]| {
        let mut all = vec!["agent", "list"];
        all.extend(args);
        let told = run(&all, env, b"");
        told.refused(3, "ALC-CLI-0005", &["  why: there is no socket: the service does not run\n"]);
        told.err.lines().find(|line| line.starts_with("   at: ")).unwrap().to_owned()
    };
    let env = [("HOME", "/h"), ("XDG_DATA_HOME", "/x"), ("ALCAIDE_DATA_DIR", "/a")];
    assert_eq!(place(&env, &["--data-dir", "/d"]), "   at: /d/office.sock");
    assert_eq!(place(&env, &[]), "   at: /a/office.sock");
    assert_eq!(place(&env[..2], &[]), "   at: /x/alcaide/office.sock");
    assert_eq!(place(&env[..1], &[]), "   at: /h/.local/share/alcaide/office.sock");
}

#[test]
fn codes_are_listed_and_explained() {
    let all: Value = serde_json::from_str(&said(&["explain", "--json"]).out).unwrap();
    let codes: Vec<&str> = all.as_array().unwrap().iter().map(|one| one["code"].as_str().unwrap()).collect();
    for wanted in ["ALC-CLI-0001", "ALC-GATE-0001", "ALC-OFFICE-0001", "ALC-SERVE-0001"] {
        assert!(codes.contains(&wanted), "{wanted}");
    }
    let told = said(&["explain", "alc-cli-0007"]);
    assert!(told.out.starts_with("ALC-CLI-0007: not confirmed\n\nwhat: "), "{told:?}");
    said(&["explain", "ALC-NO-1"]).refused(
        2,
        "ALC-CLI-0021",
        &[
            "error: the code `ALC-NO-1` is not known\n",
            "  why: codes are `ALC-AREA-NNNN`\n",
            "  fix: see the list",
        ],
    );
}

#[test]
fn settings_are_shown_and_described() {
    let shown = said(&["config", "show", "--default"]);
    assert!(shown.out.contains("listen = \"127.0.0.1:7100\"\n"), "{shown:?}");
    let json: Value = serde_json::from_str(&said(&["config", "show", "--default", "--json"]).out).unwrap();
    assert_eq!(json["office"]["listen"], "127.0.0.1:7101");
    let schema: Value = serde_json::from_str(&said(&["config", "schema"]).out).unwrap();
    assert_eq!(schema["properties"]["gate"]["properties"]["listen"]["default"], "127.0.0.1:7100");
}

#[test]
fn completions_know_the_commands() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let told = said(&["completion", shell]);
        assert_eq!(told.code, 0);
        assert!(told.out.contains("rollback"), "{shell}");
    }
    assert!(said(&["--version"]).out.starts_with("alcaide 0."));
    assert!(said(&["agent", "create", "--help"]).out.contains("Example: alcaide agent create invoice-bot"));
}

#[test]
fn the_doctor_names_each_thing_with_its_cure() {
    let mut house = House::none();
    let told = house.run(&["doctor", "--json"]);
    assert_eq!((told.code, told.err.as_str()), (1, ""));
    let checks: Value = serde_json::from_str(&told.out).unwrap();
    let find = |checks: &Value, name: &str| {
        checks["checks"].as_array().unwrap().iter().find(|one| one["name"] == name).unwrap().clone()
    };
    let none = find(&checks, "data directory");
    assert_eq!(none["state"], "wrong");
    assert!(none["fix"].as_str().unwrap().starts_with("begin one with `alcaide up --init"), "{none}");
    house.up(&["--init"]);
    let sound: Value = serde_json::from_str(&house.run(&["doctor", "--json"]).out).unwrap();
    for name in ["data directory", "settings", "format", "keys", "ledger", "clock"] {
        assert_eq!(find(&sound, name)["state"], "ok", "{sound}");
    }
    house.down();
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(house.dir(), std::fs::Permissions::from_mode(0o755)).unwrap();
    let open: Value = serde_json::from_str(&house.run(&["doctor", "--json"]).out).unwrap();
    let open = find(&open, "data directory");
    assert!(open["found"].as_str().unwrap().ends_with("has mode 0755: others may enter"), "{open}");
    assert!(open["fix"].as_str().unwrap().starts_with("`chmod go-rwx "), "{open}");
}

#[test]
fn a_folder_that_cannot_be_read_is_told_file_by_file() {
    let house = House::none();
    house.put("declared/a.toml", "schema = 1\n[[unit]]\nnmae = \"x\"\n");
    house.put("declared/b c.cedar", "");
    let folder = house.file("declared");
    let told = house.run(&["plan", folder.to_str().unwrap()]);
    told.refused(
        1,
        "ALC-CLI-0009",
        &[
            "error: the folder was not read\n",
            "  why: 2 things are wrong with it; nothing was changed\n",
            "error: `a.toml` line 3 column 1: unknown key `nmae`",
            "error: `b c.cedar` makes no policy name",
            "  fix: mend the file that is named\n",
        ],
    );
    let nowhere = house.file("nowhere");
    house.run(&["apply", nowhere.to_str().unwrap()]).refused(
        3,
        "ALC-CLI-0008",
        &["error: the folder was not read\n"],
    );
}

#[test]
fn a_log_filter_that_is_none_is_refused() {
    let house = House::none();
    let dir = house.dir();
    let args = ["up", "--init", "--data-dir", dir.to_str().unwrap()];
    run(&args, &[("ALCAIDE_LOG", "a=b=c")], b"").refused(
        2,
        "ALC-CLI-0020",
        &[
            "error: the log filter is not understood\n",
            "   at: ALCAIDE_LOG\n",
            "  fix: write a level such as `info`",
        ],
    );
    assert!(!dir.exists());
}

#[test]
fn colour_is_as_asked() {
    let args = ["explain", "X"];
    let with = |more: &[&str], env: &[(&str, &str)]| {
        let mut all = args.to_vec();
        all.extend(more);
        run(&all, env, b"").err.contains('\u{1b}')
    };
    assert!(!with(&[], &[]));
    assert!(with(&["--color", "always"], &[("NO_COLOR", "1")]));
    assert!(!with(&["--color=never"], &[]));
}

#[test]
fn a_reader_that_leaves_is_no_error() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_alcaide"))
        .args(["completion", "bash"])
        .env_clear()
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // Longer than a pipe holds, so it meets the closed end for certain.
    drop(child.stdout.take());
    let mut err = String::new();
    child.stderr.take().unwrap().read_to_string(&mut err).unwrap();
    assert_eq!((child.wait().unwrap().code(), err.as_str()), (Some(0), ""));
}
