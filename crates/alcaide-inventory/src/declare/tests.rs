use alcaide_label::{Confidentiality, Integrity, Label};

use super::*;

const GOOD: &str = r#"
schema = 1

[[unit]]
name = "company"

[[unit]]
name = "finance"
parent = "company"

[[human]]
name = "ana"
unit = "finance"
roles = ["administrator", "approver"]

[[human]]
name = "rui"
unit = "company"
roles = ["policy_author"]

[[agent]]
name = "invoice-bot"
unit = "finance"
owner = "ana"
sponsor = "rui"
may = ["use:model/*", "use:tool/files", "use:api/erp/post-invoice"]
dpop = "required"

[[workload]]
name = "night-batch"
unit = "finance"
owner = "rui"
may = ["use:model/gpt-4o-mini"]

[[upstream]]
name = "openai"
protocol = "openai"
base_url = "https://api.openai.com/v1"
credential = { kind = "header", header = "authorization", prefix = "Bearer ", secret = "openai-key" }
first_byte_timeout_ms = 60000

[[upstream]]
name = "local"
protocol = "anthropic"
base_url = "http://127.0.0.1:8080"

[[upstream]]
name = "files"
protocol = "mcp"
command = ["/usr/bin/python3", "/srv/files.py"]

[upstream.sandbox]
read = ["/srv/files"]
network = false

[[upstream]]
name = "erp"
protocol = "http"
base_url = "https://[2001:db8::7]:8443/api"

[upstream.credential]
kind = "client_credentials"
token_url = "https://login.example/token"
client_id = "alcaide"
secret = "erp-secret"
scope = "invoices"

[[route]]
name = "gpt-4o-mini"
kind = "model"
upstreams = [{ upstream = "openai" }, { upstream = "local", model = "mini" }]
price = { input_micros = 150000, output_micros = 600000 }
max_output_tokens = 1024

[[route]]
name = "files"
kind = "mcp"
upstream = "files"
durability = "relaxed"

[[route]]
name = "erp"
kind = "service"
upstream = "erp"

[[route.operations]]
name = "post-invoice"
method = "POST"
path = "/invoices"
effect = "money"

[[route.operations]]
name = "read-invoice"
method = "GET"
path = "/invoices/{id}/lines/{line}"
effect = "read"

[[peer]]
name = "branch"
trust_domain = "branch.example"
jwks = '{"keys":[]}'
servers = ["files"]
callers = ["night-batch"]
integrity = "trusted"
confidentiality = "internal"

[[signer]]
name = "studio"
pem = "pem"
revoked_keys = ["00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"]

[[model]]
name = "support"
unit = "finance"
owner = "ana"
files = "/srv/models/support"
signature = "model.sig"
signers = ["studio"]
requires = ["scan", "signature"]
max_age_days = 90

[[tool]]
server = "files"
name = "read_file"
effect = "read"
control = ["path"]

[[tool.output]]
pointer = "/content/0/text"
integrity = "trusted"
confidentiality = "internal"

[[budget]]
name = "bot-tokens"
over = { agent = "invoice-bot" }
of = "tokens"
limit = 100000
per = "day"

[[budget]]
name = "mini-money"
over = { model = "gpt-4o-mini" }
of = "money_micros"
limit = 5000000
per = "thirty_days"

[[policy]]
name = "finance"
cedar = "permit (principal, action, resource);"
mode = "shadow"
"#;

fn good() -> Declarations {
    Declarations::from_toml("good.toml", GOOD).unwrap()
}

fn of(text: &str) -> Declarations {
    Declarations::from_toml("case.toml", text).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

/// The good folder with one piece of text replaced.
fn with(from: &str, to: &str) -> Declarations {
    assert!(GOOD.contains(from), "{from}");
    of(&GOOD.replacen(from, to, 1))
}

#[track_caller]
fn breaks(declared: &Declarations, place: &str, why: &str) {
    let found = declared.check();
    assert!(
        found.iter().any(|one| one.place == place && one.why.contains(why) && !one.fix.is_empty()),
        "expected {place}: {why}\nfound {found:#?}"
    );
}

#[test]
fn a_good_folder_breaks_no_rule() {
    assert_eq!(good().check(), []);
    assert_eq!(Declarations::empty().check(), []);
}

#[test]
fn what_is_written_is_read_again() {
    let declared = good();
    let text = declared.to_toml().unwrap();
    let again =
        Declarations::from_toml("again.toml", &text).unwrap_or_else(|error| panic!("{error}\n{text}"));
    assert_eq!(again, declared);
    assert_eq!(again.to_toml().unwrap(), text);
}

#[test]
fn every_case_breaks_its_rule_at_its_place() {
    let cases: &[(&str, &str, &str, &str)] = &[
        // units
        (
            "parent = \"company\"",
            "parent = \"compny\"",
            "unit/finance",
            "its parent `compny` is not declared",
        ),
        (
            "name = \"company\"",
            "name = \"company\"\nparent = \"finance\"",
            "unit/company",
            "its own ancestor",
        ),
        (
            "name = \"company\"",
            "name = \"company\"\nparent = \"finance\"",
            "unit/finance",
            "its own ancestor",
        ),
        // people
        ("name = \"rui\"\nunit = \"company\"", "name = \"rui\"\nunit = \"x\"", "human/rui", "its unit `x`"),
        ("\"administrator\", \"approver\"", "\"approver\", \"approver\"", "human/ana", "stands there twice"),
        (
            "\"administrator\", \"approver\"",
            "\"approver\"",
            "human/*",
            "nobody who is active is an administrator",
        ),
        // agents and workloads
        ("name = \"rui\"", "name = \"rui2\"", "agent/invoice-bot", "its sponsor `rui` is not declared"),
        ("owner = \"ana\"", "owner = \"anna\"", "agent/invoice-bot", "its owner `anna` is not declared"),
        (
            "roles = [\"policy_author\"]",
            "standing = \"left\"",
            "agent/invoice-bot",
            "its sponsor `rui` is not active",
        ),
        (
            "roles = [\"policy_author\"]",
            "standing = \"quarantined\"",
            "workload/night-batch",
            "its owner `rui` is not active",
        ),
        (
            "name = \"night-batch\"\nunit = \"finance\"",
            "name = \"night-batch\"\nunit = \"fin\"",
            "workload/night-batch",
            "its unit `fin`",
        ),
        // upstreams
        ("https://api.openai.com/v1", "ftp://api.openai.com", "upstream/openai", "does not begin with"),
        (
            "https://api.openai.com/v1",
            "https://me:pw@api.openai.com",
            "upstream/openai",
            "user name or password",
        ),
        (
            "https://api.openai.com/v1",
            "https://api.openai.com/v1?a=b",
            "upstream/openai",
            "query or fragment",
        ),
        ("https://api.openai.com/v1", "https://api.openai.com/v1#a", "upstream/openai", "query or fragment"),
        ("https://api.openai.com/v1", "https:///v1", "upstream/openai", "neither a name nor an address"),
        ("https://api.openai.com/v1", "https://0x7f.1", "upstream/openai", "neither a name nor an address"),
        ("https://api.openai.com/v1", "https://127.1", "upstream/openai", "neither a name nor an address"),
        ("https://api.openai.com/v1", "https://h:0/", "upstream/openai", "port"),
        ("https://api.openai.com/v1", "https://h:65536/", "upstream/openai", "port"),
        ("https://api.openai.com/v1", "https://h/a/../b", "upstream/openai", "dot segment"),
        ("https://api.openai.com/v1", "https://h/a b", "upstream/openai", "path does not take"),
        ("https://[2001:db8::7]:8443/api", "https://[2001:db8::7/api", "upstream/erp", "without `]`"),
        ("http://127.0.0.1:8080", "http://10.0.0.1:8080", "upstream/local", "plain HTTP"),
        ("http://127.0.0.1:8080", "http://localhost.evil.example", "upstream/local", "plain HTTP"),
        ("https://login.example/token", "http://login.example/token", "upstream/erp", "`token_url`"),
        ("client_id = \"alcaide\"", "client_id = \"\"", "upstream/erp", "`client_id`"),
        ("header = \"authorization\"", "header = \"a b\"", "upstream/openai", "is not the name of a header"),
        ("header = \"authorization\"", "header = \"Host\"", "upstream/openai", "belongs to the connection"),
        ("prefix = \"Bearer \"", "prefix = \"a\\nb\"", "upstream/openai", "`prefix`"),
        ("60000", "99", "upstream/openai", "`first_byte_timeout_ms`"),
        ("60000", "3600001", "upstream/openai", "`first_byte_timeout_ms`"),
        ("\"/usr/bin/python3\", \"/srv/files.py\"", "", "upstream/files", "`command` is empty"),
        ("\"/usr/bin/python3\", ", "\"python3\", ", "upstream/files", "no absolute path"),
        ("\"/srv/files.py\"", "\"a\\u0000\"", "upstream/files", "zero byte"),
        ("read = [\"/srv/files\"]", "read = [\"srv\"]", "upstream/files", "sandbox's folder"),
        ("read = [\"/srv/files\"]", "write = [\"/srv/../etc\"]", "upstream/files", "sandbox's folder"),
        ("network = false", "executable_sha256 = \"AB\"", "upstream/files", "`executable_sha256`"),
        ("protocol = \"mcp\"", "protocol = \"http\"", "upstream/files", "does not run over stdio"),
        // routes
        (
            "{ upstream = \"openai\" }",
            "{ upstream = \"opnai\" }",
            "route/gpt-4o-mini",
            "`opnai` is not declared",
        ),
        ("{ upstream = \"openai\" }", "{ upstream = \"files\" }", "route/gpt-4o-mini", "speaks `mcp`"),
        (
            "{ upstream = \"openai\" }",
            "{ upstream = \"local\", model = \"mini\" }",
            "route/gpt-4o-mini",
            "twice",
        ),
        ("model = \"mini\"", "model = \"\"", "route/gpt-4o-mini", "name for the model"),
        ("input_micros = 150000", "input_micros = 0", "route/gpt-4o-mini", "a price is 0"),
        (
            "max_output_tokens = 1024",
            "max_output_tokens = 0",
            "route/gpt-4o-mini",
            "`max_output_tokens` is 0",
        ),
        (
            "upstream = \"files\"\ndurability",
            "upstream = \"erp\"\ndurability",
            "route/files",
            "speaks `http`",
        ),
        ("name = \"files\"\nkind = \"mcp\"", "name = \"fi__les\"\nkind = \"mcp\"", "route/fi__les", "`__`"),
        (
            "kind = \"service\"\nupstream = \"erp\"",
            "kind = \"service\"\nupstream = \"openai\"",
            "route/erp",
            "`openai`",
        ),
        ("method = \"POST\"", "method = \"post\"", "route/erp/post-invoice", "is not a method"),
        ("method = \"POST\"", "method = \"CONNECT\"", "route/erp/post-invoice", "is not a method"),
        ("path = \"/invoices\"", "path = \"invoices\"", "route/erp/post-invoice", "does not begin with `/`"),
        ("path = \"/invoices\"", "path = \"/a//b\"", "route/erp/post-invoice", "empty segment"),
        ("path = \"/invoices\"", "path = \"/a/../b\"", "route/erp/post-invoice", "dot segment"),
        ("path = \"/invoices\"", "path = \"/a/{}\"", "route/erp/post-invoice", "no name"),
        ("path = \"/invoices\"", "path = \"/{a}/{a}\"", "route/erp/post-invoice", "same parameter twice"),
        ("path = \"/invoices\"", "path = \"/a%2fb\"", "route/erp/post-invoice", "segment does not take"),
        ("path = \"/invoices\"", "path = \"/a{b}\"", "route/erp/post-invoice", "segment does not take"),
        (
            "method = \"POST\"\npath = \"/invoices\"",
            "method = \"GET\"\npath = \"/invoices/{x}/lines/{y}\"",
            "route/erp/read-invoice",
            "match the same requests",
        ),
        ("name = \"read-invoice\"", "name = \"post-invoice\"", "route/erp/post-invoice", "more than once"),
        // tools
        ("server = \"files\"", "server = \"erp\"", "tool/erp/read_file", "`mcp` route `erp` is not declared"),
        ("name = \"read_file\"", "name = \"\"", "tool/files/", "its name is empty"),
        ("name = \"read_file\"", "name = \"a\\tb\"", "tool/files/a\u{fffd}b", "control characters"),
        ("pointer = \"/content/0/text\"", "pointer = \"content\"", "tool/files/read_file", "JSON pointer"),
        ("pointer = \"/content/0/text\"", "pointer = \"/a~2\"", "tool/files/read_file", "JSON pointer"),
        ("control = [\"path\"]", "idempotency_key = \"\"", "tool/files/read_file", "`idempotency_key`"),
        (
            "control = [\"path\"]",
            "control = [\"path\"]\nfree_text = [\"path\"]\ntakes_handles = [\"path\"]",
            "tool/files/read_file",
            "`path` decides what the tool does, so it takes no text of strangers by handle",
        ),
        (
            "control = [\"path\"]",
            "takes_handles = [\"note\"]",
            "tool/files/read_file",
            "`note` in `takes_handles` is not named as free text",
        ),
        (
            "control = [\"path\"]",
            "handle_output = [\"body\"]",
            "tool/files/read_file",
            "`body` in `handle_output` is not a JSON pointer",
        ),
        // signers and models
        ("pem = \"pem\"", "pem = \" \"", "signer/studio", "its `pem` is empty or longer than 16 KiB"),
        ("[\"001122", "[\"00112Z", "signer/studio", "is not 64 lower-case hex digits"),
        (
            "files = \"/srv",
            "files = \"srv",
            "model/support",
            "`srv/models/support`, which is no absolute path",
        ),
        ("\"model.sig\"", "\"../sig\"", "model/support", "`../sig`, which is no path within the model"),
        (
            "signers = [\"studio\"]",
            "signers = [\"studios\"]",
            "model/support",
            "its signer `studios` is not declared",
        ),
        ("signers = [\"studio\"]", "signers = []", "model/support", "names nobody who may sign"),
        ("\"scan\", \"signature\"", "\"scan\", \"scan\"", "model/support", "`requires` names `scan` twice"),
        ("\"scan\", \"signature\"", "\"current_pack\"", "model/support", "`current_pack` without `scan`"),
        ("max_age_days = 90", "max_age_days = 0", "model/support", "`max_age_days` must be 1 to 3650"),
        // peers
        (
            "trust_domain = \"branch.example\"",
            "trust_domain = \"Branch\"",
            "peer/branch",
            "`Branch` is not a trust domain",
        ),
        ("jwks = '{\"keys\":[]}'", "jwks = ' '", "peer/branch", "its `jwks` is empty or longer than 64 KiB"),
        (
            "servers = [\"files\"]\ncallers = [\"night-batch\"]",
            "",
            "peer/branch",
            "it answers for no server and calls by nobody",
        ),
        (
            "servers = [\"files\"]",
            "servers = [\"erp\"]",
            "peer/branch",
            "its tool server `erp` is not declared",
        ),
        (
            "servers = [\"files\"]",
            "servers = [\"files\", \"files\"]",
            "peer/branch",
            "the tool server `files` is named already",
        ),
        (
            "callers = [\"night-batch\"]",
            "callers = [\"nobody\"]",
            "peer/branch",
            "its caller `nobody` is not declared",
        ),
        (
            "callers = [\"night-batch\"]",
            "callers = [\"night-batch\", \"night-batch\"]",
            "peer/branch",
            "the caller `night-batch` is named already",
        ),
        // budgets
        (
            "agent = \"invoice-bot\" }",
            "agent = \"invoice-bo\" }",
            "budget/bot-tokens",
            "its agent `invoice-bo`",
        ),
        (
            "over = { agent = \"invoice-bot\" }",
            "over = { owner = \"x\" }",
            "budget/bot-tokens",
            "its owner `x`",
        ),
        (
            "over = { agent = \"invoice-bot\" }",
            "over = { unit = \"x\" }",
            "budget/bot-tokens",
            "its unit `x`",
        ),
        (
            "over = { agent = \"invoice-bot\" }",
            "over = { model = \"erp\" }",
            "budget/bot-tokens",
            "its model `erp`",
        ),
        ("limit = 100000", "limit = 0", "budget/bot-tokens", "its limit is 0"),
        (
            "price = { input_micros = 150000, output_micros = 600000 }",
            "",
            "budget/mini-money",
            "has no price",
        ),
        // policies
        ("permit (principal, action, resource);", "  ", "policy/finance", "empty"),
    ];
    for (from, to, place, why) in cases {
        breaks(&with(from, to), place, why);
    }
}

#[test]
fn a_credential_is_not_for_a_child_process() {
    let declared = with(
        "command = [\"/usr/bin/python3\", \"/srv/files.py\"]",
        "command = [\"/bin/x\"]\ncredential = { kind = \"header\", header = \"a\", secret = \"s\" }",
    );
    breaks(&declared, "upstream/files", "is shown no credential");
}

#[test]
fn an_agent_that_may_not_act_needs_no_active_owner() {
    let gone = GOOD.replacen("roles = [\"policy_author\"]", "standing = \"left\"", 1);
    let parked = gone.replacen("dpop = \"required\"", "standing = \"quarantined\"", 1).replacen(
        "may = [\"use:model/gpt-4o-mini\"]",
        "standing = \"left\"",
        1,
    );
    assert_eq!(of(&parked).check(), []);
}

#[test]
fn duplicates_of_every_kind_are_told_once_each() {
    let mut declared = good();
    let (twin, third) = (good(), good());
    declared.merge(twin);
    declared.merge(third);
    let found = declared.check();
    let doubles: Vec<&str> = found
        .iter()
        .filter(|one| one.why == "it is declared more than once")
        .map(|one| one.place.as_str())
        .collect();
    assert_eq!(
        doubles,
        [
            "unit/company",
            "unit/finance",
            "human/ana",
            "human/rui",
            "agent/invoice-bot",
            "workload/night-batch",
            "upstream/openai",
            "upstream/local",
            "upstream/files",
            "upstream/erp",
            "route/gpt-4o-mini",
            "route/files",
            "route/erp",
            "peer/branch",
            "signer/studio",
            "model/support",
            "tool/files/read_file",
            "budget/bot-tokens",
            "budget/mini-money",
            "policy/finance",
        ]
    );
}

#[test]
fn everything_is_found_at_once_with_the_nearest_name() {
    let text = GOOD
        .replacen("owner = \"ana\"", "owner = \"anna\"", 1)
        .replacen("limit = 100000", "limit = 0", 1)
        .replacen("60000", "1", 1);
    let found = of(&text).check();
    assert_eq!(found.len(), 3, "{found:#?}");
    assert_eq!(found[0].fix, "write `ana`, or declare `human` `anna`");
}

#[test]
fn a_circle_of_units_is_told_at_its_members_only() {
    let text = "schema = 1\n\
        [[unit]]\nname = \"a\"\nparent = \"b\"\n[[unit]]\nname = \"b\"\nparent = \"a\"\n\
        [[unit]]\nname = \"c\"\nparent = \"a\"\n[[unit]]\nname = \"d\"\nparent = \"d\"\n";
    let places: Vec<String> = of(text).check().into_iter().map(|one| one.place).collect();
    assert_eq!(places, ["unit/a", "unit/b", "unit/d"]);
}

#[test]
fn another_schema_is_refused_twice_over() {
    let error = Declarations::from_toml("a.toml", "schema = 2").unwrap_err();
    assert_eq!(error.to_string(), "`a.toml` has schema 2, but this program reads schema 1");
    let made = Declarations { schema: 7, ..Declarations::empty() };
    breaks(&made, "schema", "it is 7");
}

/// Misspells, one after another, every key of the good folder, in whatever table it stands.
#[test]
fn a_misspelt_key_in_any_table_is_refused_with_its_line() {
    let mut tried = 0;
    for (at, line) in GOOD.lines().enumerate() {
        for (column, key) in keys_of(line) {
            let misspelt = format!("{key}x");
            let mut changed = line.to_owned();
            changed.replace_range(column..column + key.len(), &misspelt);
            let text: String = GOOD
                .lines()
                .enumerate()
                .map(|(row, old)| if row == at { &changed } else { old })
                .fold(String::new(), |mut all, line| {
                    all.push_str(line);
                    all.push('\n');
                    all
                });
            let error = Declarations::from_toml("bad.toml", &text).unwrap_err();
            let DeclareError::Syntax { line: told, column: told_column, why, .. } = &error else {
                panic!("{error}");
            };
            // Without its `kind` a table cannot be known, and serde tells that the kind is missing.
            if key != "kind" {
                assert_eq!((*told, *told_column), (at + 1, column + 1), "{changed}: {error}");
                assert!(why.contains(&format!("unknown key `{misspelt}`")), "{error}");
                assert!(why.contains(&format!("did you mean `{key}`?")), "{error}");
            }
            tried += 1;
        }
    }
    assert!(tried > 90, "{tried}");
}

/// Keys in a line of the good folder with the columns that they begin at.
fn keys_of(line: &str) -> Vec<(usize, &str)> {
    let mut found = Vec::new();
    if let Some(inner) = line.strip_prefix("[[").and_then(|rest| rest.strip_suffix("]]")) {
        let last = inner.rsplit('.').next().unwrap();
        return vec![(2 + inner.len() - last.len(), last)];
    }
    if let Some(inner) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        let last = inner.rsplit('.').next().unwrap();
        return vec![(1 + inner.len() - last.len(), last)];
    }
    for (at, _) in line.match_indices(" = ") {
        let begin = line[..at].rfind(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).map_or(0, |b| b + 1);
        found.push((begin, &line[begin..at]));
    }
    found
}

#[test]
fn unknown_keys_far_from_any_get_the_list() {
    let error =
        Declarations::from_toml("a.toml", "schema = 1\n[[unit]]\nname = \"a\"\ncolour = 1\n").unwrap_err();
    assert_eq!(
        error.to_string(),
        "`a.toml` line 4 column 1: unknown key `colour` in `unit`; it takes `name`, `parent`"
    );
}

#[test]
fn keys_that_would_be_ignored_are_refused() {
    let text = "schema = 1\n[[upstream]]\nname = \"a\"\nprotocol = \"mcp\"\nbase_url = \"https://h\"\ncommand = [\"/x\"]\n";
    let error = Declarations::from_toml("a.toml", text).unwrap_err();
    assert!(
        error.to_string().contains("line 6 column 1: `command` cannot stand beside `base_url`"),
        "{error}"
    );
}

#[test]
fn wrong_values_are_refused_with_their_line() {
    let cases = [
        ("schema = 1\n[[human]]\nname = \"A\"\nunit = \"u\"\n", 3),
        ("schema = 1\nunit = 3\n", 2),
        ("schema = \n", 1),
        ("schema = 1\n[[unit]]\nname = \"a\"\nname = \"b\"\n", 4),
        ("schema = \"1\"\n", 1),
    ];
    for (text, line) in cases {
        let error = Declarations::from_toml("a.toml", text).unwrap_err();
        assert!(matches!(&error, DeclareError::Syntax { line: at, .. } if *at == line), "{error}\n{text}");
        assert!(!error.to_string().contains('\n'));
    }
    // Below a flattened table serde knows the table only; the message names the value.
    let text = "schema = 1\n[[human]]\nname = \"a\"\nunit = \"u\"\nroles = [\"king\"]\n";
    let error = Declarations::from_toml("a.toml", text).unwrap_err();
    assert!(error.to_string().contains("`king`"), "{error}");
    let error = Declarations::from_toml("a.toml", "[[unit]]\nname = \"a\"\n").unwrap_err();
    assert!(error.to_string().contains("schema"), "{error}");
}

#[test]
fn nearest_knows_slips_of_the_hand() {
    let keys = ["owner", "unit", "sponsor", "standing"];
    for (given, near) in
        [("onwer", Some("owner")), ("uint", Some("unit")), ("sponser", Some("sponsor")), ("zzz", None)]
    {
        assert_eq!(super::keys::nearest(given, keys.into_iter()), near, "{given}");
    }
}

#[test]
fn for_whom_a_policy_is_in_shadow_is_checked() {
    let shadow = |text: &str| with("mode = \"shadow\"", &format!("mode = \"shadow\"\nshadow = {text}"));
    let good = shadow("{ agents = [\"invoice-bot\"], units = [\"finance\"], tasks_percent = 99 }");
    assert!(good.check().is_empty(), "{:?}", good.check());
    let place = "policy/finance";
    breaks(&shadow("{}"), place, "names neither agents");
    breaks(&shadow("{ tasks_percent = 0 }"), place, "1 to 99");
    breaks(&shadow("{ tasks_percent = 100 }"), place, "1 to 99");
    breaks(&shadow("{ agents = [\"invoice-bto\"] }"), place, "`invoice-bto`");
    breaks(&shadow("{ units = [\"finanec\"] }"), place, "`finanec`");
    breaks(&with("mode = \"shadow\"", "shadow = { tasks_percent = 5 }"), place, "it binds everybody");
    for bad in ["{ share = 5 }", "{ tasks_percent = 300 }"] {
        let text = GOOD.replacen("mode = \"shadow\"", &format!("mode = \"shadow\"\nshadow = {bad}"), 1);
        assert!(Declarations::from_toml("case.toml", &text).is_err(), "{bad}");
    }
}

#[test]
fn a_task_is_in_a_share_for_good() {
    use crate::declare::ShadowOf;
    // Where a task stands among a hundred must not change with the program.
    let place = |task: u128| {
        (0..=100)
            .find(|percent| ShadowOf::takes(*percent, crate::TaskId::from_bits(task)))
            .map(|first| first - 1)
    };
    let places: Vec<_> = (1..=8).map(|task| place(task).unwrap()).collect();
    assert_eq!(places, [68, 92, 76, 14, 5, 20, 96, 46]);
}

#[test]
fn no_two_peers_share_a_domain_a_server_or_a_caller() {
    let mut declared = good();
    let twin = Named { name: "other".parse().unwrap(), ..declared.peers[0].clone() };
    declared.peers.push(twin);
    let whys: Vec<String> = declared.check().into_iter().map(|one| one.why).collect();
    assert_eq!(
        whys,
        [
            "the peer `branch` has the same trust domain",
            "the tool server `files` is named already",
            "the caller `night-batch` is named already",
        ]
    );
    let spec = &declared.peers[0].spec;
    assert_eq!(spec.bound().integrity, Integrity::Trusted);
    assert_eq!(spec.bound().confidentiality, Confidentiality::Internal);
    let least = of("schema = 1\n[[peer]]\nname = \"p\"\ntrust_domain = \"p\"\njwks = \"k\"\n");
    assert_eq!(least.peers[0].spec.bound(), Label::MISSING);
}

#[test]
fn a_route_serves_a_model_that_is_declared_and_a_scan_by_todays_rules_is_required_where_nothing_is_said() {
    let serves =
        |name: &str| GOOD.replacen("kind = \"model\"", &format!("kind = \"model\"\nserves = \"{name}\""), 1);
    assert_eq!(of(&serves("support")).check(), []);
    let found = of(&serves("suport")).check();
    assert_eq!(found.len(), 1, "{found:#?}");
    assert!(found[0].fix.contains("`support`"), "{found:#?}");
    let least = of("schema = 1\n[[model]]\nname = \"m\"\nunit = \"u\"\nowner = \"o\"\n");
    assert_eq!(least.models[0].spec.requires, [Proof::Scan, Proof::CurrentPack]);
    let written = least.to_toml().unwrap();
    assert!(!written.contains("requires"), "{written}");
}
