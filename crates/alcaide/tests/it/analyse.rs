//! Properties of policies, asked of the built program with a real solver, with one that gives up, and with none.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use serde_json::Value;

use crate::house::{House, Said, run};

const DECLARED: &str = r#"
schema = 1
[[unit]]
name = "main"
[[unit]]
name = "finance"
parent = "main"
[[human]]
name = "ana"
unit = "finance"
roles = ["administrator"]
[[agent]]
name = "bot"
unit = "finance"
owner = "ana"
may = ["use:tool/erp/post_invoice"]
[[upstream]]
name = "desk"
protocol = "mcp"
base_url = "http://127.0.0.1:1/mcp"
[[route]]
name = "erp"
kind = "mcp"
upstream = "desk"
[[tool]]
server = "erp"
name = "post_invoice"
effect = "money"
control = ["amount"]
"#;

fn declared(policies: &str) -> (House, String) {
    let house = House::none();
    house.put("declared/all.toml", DECLARED);
    let folder = house.put("declared/flow.cedar", policies);
    let folder = folder.parent().unwrap().to_str().unwrap().to_owned();
    (house, folder)
}

fn analyse(folder: &str, more: &[&str]) -> Said {
    let mut args = vec!["policy", "analyse", "--folder", folder];
    args.extend(more);
    run(&args, &[("PATH", "/usr/bin:/bin")], b"")
}

fn has_solver() -> bool {
    let here = Path::new("/usr/bin/cvc5").exists();
    if !here {
        println!(
            "not judged: properties of policies: there is no cvc5; `cargo xtask peers` installs it, as root"
        );
    }
    here
}

#[test]
fn what_is_shipped_is_proved_and_an_owners_replacement_is_shown_to_break_it() {
    if !has_solver() {
        return;
    }
    let (house, folder) = declared("");
    std::fs::remove_file(house.file("declared/flow.cedar")).unwrap();
    let said = analyse(&folder, &["--json"]);
    assert_eq!(said.code, 0, "{said:?}");
    let told: Value = serde_json::from_str(&said.out).unwrap();
    let all = told["properties"].as_array().unwrap();
    assert!(all.len() >= 15 && all.iter().all(|one| one["verdict"] == "proved"), "{told}");
    assert!(all.iter().all(|one| one["scope"] == "always"), "{told}");
    assert!(told["questions"].as_u64().unwrap() > 8, "{told}");

    house.put("declared/flow.cedar", "forbid (principal, action, resource) when { context.flow.forgotten };");
    let said = analyse(&folder, &["--only", "unbound-control-argument"]);
    assert_eq!(said.code, 1, "{said:?}");
    for line in [
        "counterexample  shipped/unbound-control-argument (",
        "  claim         not let through without an approval\n",
        "  action        Alcaide::Action::\"erp/post_invoice\"\n",
        "  permitted by  grant:agent/bot:use:tool/erp/post_invoice\n",
        "0 proved, 1 with a counterexample, 0 not decided",
    ] {
        assert!(said.out.contains(line), "{line}: {said:?}");
    }
}

#[test]
fn a_property_of_the_owners_is_read_from_a_file() {
    if !has_solver() {
        return;
    }
    let (house, folder) = declared("forbid (principal, action, resource) when { context.flow.forgotten };");
    let own = house.put(
        "own.cedar",
        "@id(\"by-day\") @ask(\"owner\")\nforbid (principal, action == Alcaide::Action::\"erp/post_invoice\", resource)\n\
         when { context.hour < 6 };\n@id(\"left\")\nforbid (principal, action, resource) when { principal.standing == \
         \"left\" };\n",
    );
    let own = own.to_str().unwrap();
    let said = analyse(&folder, &["--property", own, "--only", "by-day", "--only", "left", "--json"]);
    assert_eq!(said.code, 1, "{said:?}");
    let told: Value = serde_json::from_str(&said.out).unwrap();
    let verdicts: Vec<_> = told["properties"].as_array().unwrap().iter().map(|one| &one["verdict"]).collect();
    assert_eq!(verdicts, ["counterexample", "proved"], "{told}");
    analyse(&folder, &["--only", "nothing"]).refused(
        2,
        "ALC-CLI-0013",
        &["error: no property has such a name\n"],
    );
    let bad = house.put("bad.cedar", "permit (principal, action, resource);");
    analyse(&folder, &["--property", bad.to_str().unwrap()]).refused(
        1,
        "ALC-CLI-0009",
        &["error: the properties cannot be read\n", " code: ALC-POLICY-0016\n"],
    );
}

#[test]
fn without_a_solver_nothing_is_proved_and_that_is_said() {
    let (house, folder) = declared("forbid (principal, action, resource) when { context.flow.forgotten };");
    let at = house.file("nothing-here");
    std::fs::create_dir_all(&at).unwrap();
    let args = ["policy", "analyse", "--folder", &folder];
    run(&args, &[("PATH", at.to_str().unwrap())], b"").refused(
        3,
        "ALC-CLI-0049",
        &["error: no solver was found\n", "  fix: install it, for example `apt-get install cvc5`"],
    );
    analyse(&folder, &["--solver", "/bin/false"]).refused(
        3,
        "ALC-CLI-0049",
        &["it does not say that it is cvc5"],
    );
    analyse(&folder, &["--solver", "/nowhere/cvc5"]).refused(3, "ALC-CLI-0049", &["   at: /nowhere/cvc5\n"]);
}

#[test]
fn a_solver_that_gives_up_leaves_the_property_undecided() {
    let (house, folder) = declared("forbid (principal, action, resource) when { context.flow.forgotten };");
    for (body, why) in [
        ("cat > /dev/null; echo unknown", "gave up"),
        ("cat > /dev/null; echo tomato", "said `tomato`"),
        ("cat > /dev/null; echo sat; echo tomato", ""),
        ("exec 0<&-; exit 0", "gave up"),
    ] {
        let script =
            format!("#!/bin/sh\ncase $1 in --version) echo 'This is cvc5 version 9';; *) {body};; esac\n");
        let solver = house.put("solver", &script);
        std::fs::set_permissions(&solver, std::fs::Permissions::from_mode(0o700)).unwrap();
        let solver = solver.to_str().unwrap();
        let said = analyse(&folder, &["--solver", solver, "--only", "unbound-control-argument", "--json"]);
        assert_eq!(said.code, 2, "{body}: {said:?}");
        let told: Value = serde_json::from_str(&said.out).unwrap();
        let one = &told["properties"][0];
        assert_eq!(one["verdict"], "undecided", "{told}");
        assert!(one["why"].as_str().unwrap().contains(why), "{told}");
    }
}
