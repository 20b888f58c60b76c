//! A real model and a real tool server behind the whole program, used by public client libraries.
//!
//! The agent is a script (`tests/peers/agent_loop.py`): a model of 135 million parameters makes no tool calls that one could
//! rely on. Its words are the model's own, and so are the tokens that are counted. Three tool servers run the same public
//! program before the same files; each has one wall of its own, so that it is seen which wall refused.

use std::collections::BTreeMap;

use alcaide_record::{ActionKind, End, Entry, Event, Intent, Outcome, Refused, Stage};
use alcaide_testkit::{Child, KitError, Source, node_program, npm_module, python, small_model};
use serde_json::{Value, json};

use crate::house::{House, http};
use crate::run::shown;
use crate::telemetry::holding;

/// The key that only the broker knows.
const KEY: &str = "sk-model-7f3c19e2";
const NOTE: &str =
    "The greenhouse roof leaks over the tomatoes. Ana has ordered two panes of glass. They come on Friday.";
/// What nobody may read.
const CANARY: &str = "canary 51c7e0: the combination of the safe";
const QUESTION: &str = "What does the note say about the roof? Answer in one sentence.";
/// Tool servers by the wall that each shows.
const SERVERS: [&str; 3] = ["by-server", "by-sandbox", "by-gate"];
const TOOLS: [&str; 2] = ["list_directory", "read_text_file"];
/// What the policy of the gate says.
const REASON: &str = "it reads below its own folder";
/// The code of a refusal by policy.
const BY_POLICY: &str = "ALC-POLICY-0031";

/// Files beside the data directory, everything declared, the model's key sealed.
fn furnished(model: &str) -> House {
    let house = House::begin();
    for (name, text) in [
        ("ground/inside/garden.txt", NOTE),
        ("ground/inside/invoice.txt", "Invoice 7: 1840 euros for glass, to be paid by Monday."),
        ("ground/outside/other.txt", CANARY),
    ] {
        house.put(name, text);
    }
    let at = |name: &str| house.file(name).to_str().unwrap().to_owned();
    std::os::unix::fs::symlink(at("ground/outside/other.txt"), at("ground/inside/link.txt")).unwrap();
    let key = house.put("secret.txt", &format!("{KEY}\n"));
    house.ok(&["secret", "set", "model-key", "--from-file", key.to_str().unwrap()]);
    std::fs::remove_file(key).unwrap();

    let mut text = format!(
        "schema = 1\n[[unit]]\nname = \"main\"\n[[human]]\nname = \"ana\"\nunit = \"main\"\nroles = [\"administrator\"]\n\
         [[agent]]\nname = \"reader\"\nunit = \"main\"\nowner = \"ana\"\nmay = [\"use:model/small\", \"use:tool/*\"]\n\
         [[upstream]]\nname = \"local\"\nprotocol = \"openai\"\nbase_url = \"{model}\"\n\
         credential = {{ kind = \"header\", header = \"authorization\", prefix = \"Bearer \", secret = \"model-key\" }}\n\
         [[route]]\nname = \"small\"\nkind = \"model\"\nupstreams = [{{ upstream = \"local\", model = \"smollm2\" }}]\n"
    );
    let (inside, ground) = (at("ground/inside"), at("ground"));
    let modules = npm_module("").unwrap();
    let program = npm_module("@modelcontextprotocol/server-filesystem/dist/index.js").unwrap();
    for server in SERVERS {
        // What the server itself lets its callers have, and what the sandbox lets it have.
        let (rule, sandbox) = match server {
            "by-server" => (&inside, &ground),
            _ => (&ground, &inside),
        };
        let command = json!([node_program().unwrap(), program, rule]);
        let sandbox = json!([sandbox, modules]);
        text.push_str(&format!(
            "[[upstream]]\nname = \"{server}-files\"\nprotocol = \"mcp\"\ncommand = {command}\nsandbox = {{ read = {sandbox} }}\n\
             [[route]]\nname = \"{server}\"\nkind = \"mcp\"\nupstream = \"{server}-files\"\n"
        ));
        for tool in TOOLS {
            text.push_str(&format!(
                "[[tool]]\nserver = \"{server}\"\nname = \"{tool}\"\neffect = \"read\"\ncontrol = [\"path\"]\n"
            ));
        }
    }
    // A policy sees the words of a path, not where a link leads.
    text.push_str(&format!(
        "[[policy]]\nname = \"own-folder\"\ncedar = '''\n\
         @reason(\"{REASON}\")\n\
         forbid (principal, action == Alcaide::Action::\"by-gate/read_text_file\", resource)\n\
         when {{ context has args && !(context.args.path like \"{inside}/*\" && !(context.args.path like \"*/../*\")) }};\n'''\n"
    ));
    let file = house.put("declared/all.toml", &text);
    house.ok(&["apply", file.parent().unwrap().to_str().unwrap()]);
    house
}

/// Runs the agent through the gate; gives what it saw.
fn agent(house: &House, token: &str, plan: &Value) -> Value {
    let (model, tools) = (format!("http://{}/v1", house.gate), format!("http://{}/mcp", house.gate));
    let plan = plan.to_string();
    let env = [
        ("OPENAI_BASE_URL", model.as_str()),
        ("OPENAI_API_KEY", token),
        ("MCP_BASE_URL", tools.as_str()),
        ("PLAN", plan.as_str()),
    ];
    python("agent_loop.py", &env).unwrap()
}

/// The same tools of each server.
fn of_each(tools: &[&str]) -> Value {
    let named = SERVERS.iter().map(|server| ((*server).to_owned(), json!(tools)));
    Value::Object(named.collect())
}

/// Lets the servers offer their tools, and accepts those that are declared.
fn accept(house: &House, token: &str) {
    let seen = agent(house, token, &json!({ "tools": of_each(&[]) }));
    assert_eq!(seen["tools"], of_each(&[]), "nobody has accepted them");
    for server in SERVERS {
        let done = house.run(&["tool", "accept", server, "--all-new", "--yes", "--json"]);
        let done: Value = serde_json::from_str(&done.out).unwrap_or_else(|_| panic!("{done:?}"));
        assert_eq!(done["accepted"].as_array().unwrap().len(), TOOLS.len(), "{done}");
    }
}

/// What the model server says that it did, request by request.
fn told(server: &Child) -> Vec<Value> {
    let lines = server.lines(Source::Out);
    lines.iter().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

/// Calls of tools and of models in the record.
#[derive(Default)]
struct Record {
    intents: Vec<(u64, Box<Intent>)>,
    outcomes: BTreeMap<u64, Box<Outcome>>,
    refused: Vec<Refused>,
}

impl Record {
    /// Reads what a house that is down has left.
    fn read(house: &House) -> Self {
        let mut record = Self::default();
        alcaide_ledger::read_from(&house.dir().join("ledger"), 0, |index, leaf| {
            match Entry::from_leaf(leaf).unwrap().event {
                Event::Intent(intent) => record.intents.push((index, intent)),
                Event::Outcome(outcome) => {
                    let one = record.outcomes.insert(outcome.intent, outcome);
                    assert!(one.is_none(), "one outcome for each intent");
                }
                Event::Refused(refused) => record.refused.push(*refused),
                _ => {}
            }
        })
        .unwrap();
        record
    }

    /// The calls of one kind, in their order; each came to an end.
    fn of(&self, action: ActionKind) -> Vec<(&Intent, &Outcome)> {
        let intents = self.intents.iter().filter(|(_, intent)| intent.action == action);
        intents
            .map(|(index, intent)| {
                let outcome = self.outcomes.get(index).unwrap_or_else(|| panic!("no outcome: {intent:?}"));
                assert_eq!((outcome.call, outcome.end), (intent.call, End::Complete), "{outcome:?}");
                (&**intent, &**outcome)
            })
            .collect()
    }
}

/// The paths that nobody may read, by the wall that each shows.
fn forbidden(house: &House) -> BTreeMap<&'static str, Vec<String>> {
    let at = |name: &str| house.file(name).to_str().unwrap().to_owned();
    let paths = vec![
        at("ground/outside/other.txt"),
        at("ground/inside") + "/../outside/other.txt",
        at("ground/inside/link.txt"),
    ];
    let mut all: BTreeMap<_, _> = SERVERS.into_iter().map(|server| (server, paths.clone())).collect();
    if shown(house)["other_files"] != true {
        println!("not judged: reads that the sandbox refuses: this kernel cannot close `other_files`");
        all.remove("by-sandbox");
        all.get_mut("by-gate").unwrap().pop();
    }
    all
}

#[test]
fn a_real_model_answers_about_a_file_that_a_real_server_reads() {
    let (mut model, address) = match small_model(KEY) {
        Err(error @ KitError::NoPeers { .. }) => {
            println!("not judged: a real model behind the gate: {error}");
            return;
        }
        started => started.unwrap(),
    };
    let mut house = furnished(&format!("http://{address}/v1"));
    let token = house.ok(&["agent", "token", "reader", "--subject", "ana", "--task", "read the garden note"]);
    let token = token.trim().to_owned();
    accept(&house, &token);
    let forbidden = forbidden(&house);
    let plan = json!({
        "tools": of_each(&TOOLS), "server": "by-sandbox", "folder": house.file("ground/inside"), "about": "tomatoes",
        "question": QUESTION, "refused": forbidden,
    });
    let seen = agent(&house, &token, &plan);
    assert_eq!(seen["tools"], of_each(&TOOLS));

    // The model's words, read from the file that it chose, or that the script did where it named none.
    let file = seen["chosen"]["file"].as_str().unwrap();
    let text = std::fs::read_to_string(house.file("ground/inside").join(file)).unwrap();
    assert_eq!((&seen["read"]["text"], &seen["read"]["failed"]), (&json!(text), &json!(false)), "{seen}");
    let (whole, streamed) = (&seen["whole"], &seen["streamed"]);
    assert_eq!(
        [&streamed["text"], &streamed["finish"], &streamed["usage"]],
        [&whole["text"], &whole["finish"], &whole["usage"]],
        "{seen}"
    );
    assert!(streamed["pieces"].as_u64().unwrap() > 1, "{seen}");
    let asked = [(&seen["chosen"]["said"], false), (whole, false), (streamed, true)];
    // The server of the model counted, word for word, what the client was given.
    let answered: Vec<_> = asked
        .iter()
        .map(|(one, stream)| {
            assert!(!one["text"].as_str().unwrap().trim().is_empty(), "{seen}");
            let (prompt, completion) = (&one["usage"]["prompt"], &one["usage"]["completion"]);
            assert!(completion.as_u64().unwrap() > 0 && prompt.as_u64().unwrap() > 20, "{seen}");
            json!({ "answered": {
                "stream": stream, "prompt": prompt, "completion": completion, "text": one["text"],
            } })
        })
        .collect();
    model.line_with("\"stream\":true").unwrap();
    assert_eq!(told(&model), answered, "nobody else asked, and nobody without the key");
    // Without the broker the agent gets nowhere.
    let body = json!({ "model": "smollm2", "messages": [{ "role": "user", "content": "Hello." }] });
    let (status, _) = http(&address.to_string(), "post", "/v1/chat/completions", Some(&token), Some(&body));
    assert_eq!(status, 401);

    // Each wall by its own words.
    let refusals = |server: &str| seen["refused"][server].as_array().cloned().unwrap_or_default();
    let said = |one: &Value, words: &str| {
        assert!(one["failed"] == true && one["text"].as_str().unwrap().contains(words), "{words}: {one}");
    };
    for (server, paths) in &forbidden {
        assert_eq!(refusals(server).len(), paths.len(), "{seen}");
    }
    refusals("by-server").iter().for_each(|one| said(one, "Access denied - "));
    refusals("by-sandbox").iter().for_each(|one| said(one, "EACCES"));
    refusals("by-gate").iter().take(2).for_each(|one| said(one, REASON));
    // Words alone do not tell where a link leads: the gate lets them pass, and the sandbox stands behind it.
    refusals("by-gate").iter().skip(2).for_each(|one| said(one, "EACCES"));
    for secret in [CANARY, KEY] {
        assert!(!seen.to_string().contains(secret), "{seen}");
    }

    house.down();
    let record = Record::read(&house);
    let models = record.of(ActionKind::UseModel);
    let counted: Vec<_> = models
        .iter()
        .map(|(_, outcome)| {
            let usage = outcome.usage.unwrap();
            assert!(!usage.estimated && outcome.status == Some(200), "{outcome:?}");
            json!({ "prompt": usage.input, "completion": usage.output })
        })
        .collect();
    assert_eq!(counted, asked.map(|(one, _)| one["usage"].clone()));
    // Listing and reading, then all that a wall behind the gate refused; what the gate refused was never sent.
    let mut by_route = BTreeMap::new();
    for (intent, _) in record.of(ActionKind::CallTool) {
        assert!(intent.target.tool.is_some(), "{intent:?}");
        *by_route.entry(intent.target.route).or_insert(0) += 1;
    }
    let mut counts: Vec<usize> = by_route.into_values().collect();
    counts.sort_unstable();
    let tries = |server: &str| forbidden.get(server).map_or(0, Vec::len);
    let mut expected = vec![tries("by-server"), 2 + tries("by-sandbox"), tries("by-gate") - 2];
    expected.retain(|count| *count > 0);
    expected.sort_unstable();
    assert_eq!(counts, expected);
    let refused: Vec<_> =
        record.refused.iter().map(|one| (one.action, one.stage, one.code.as_str())).collect();
    assert_eq!(refused, [(Some(ActionKind::CallTool), Stage::Decided, BY_POLICY); 2]);
    let verified = house.json(&["log", "verify"]);
    assert_eq!((&verified["verified"], &verified["beyond"]), (&json!(true), &json!(0)), "{verified}");
    for secret in [CANARY, KEY, NOTE, QUESTION] {
        assert_eq!(holding(&house.dir(), secret), [""; 0], "{secret}");
    }
}
