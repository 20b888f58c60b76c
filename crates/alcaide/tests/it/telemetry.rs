//! What others are told of calls: spans with the names of the GenAI conventions, metrics, logs; and nothing of what was
//! said or of any secret, wherever one looks.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex};

use alcaide_testkit::{DEADLINE, ModelServer, Script, Source};
use serde_json::{Value, json};

use crate::house::{House, http, run};

/// What must be found nowhere but where it belongs.
const PROMPT: &str = "canary-prompt-5e1f";
const ANSWER: &str = "canary-answer-77c2";
const SECRET: &str = "canary-secret-91aa";

/// A collector that keeps every request; the first is refused, as one that is overloaded does.
struct Collector {
    url: String,
    heard: Arc<Heard>,
}

#[derive(Default)]
struct Heard {
    bodies: Mutex<Vec<(String, String)>>,
    more: Condvar,
}

impl Collector {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let heard = Arc::new(Heard::default());
        let shared = Arc::clone(&heard);
        // Ends with the test's process.
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (stream, heard) = (stream.unwrap(), Arc::clone(&shared));
                std::thread::spawn(move || collect(stream, &heard));
            }
        });
        Self { url, heard }
    }

    /// Waits until spans of `count` calls were taken; gives them.
    fn spans(&self, count: usize) -> Vec<Value> {
        let spans = |bodies: &[(String, String)]| {
            // The first try was refused, so what it carried comes again.
            bodies.iter().skip(1).flat_map(|(_, body)| spans_of(body)).collect::<Vec<_>>()
        };
        let bodies = self.heard.bodies.lock().unwrap();
        let (bodies, late) = self
            .heard
            .more
            .wait_timeout_while(bodies, DEADLINE, |bodies| spans(bodies).len() < count)
            .unwrap();
        assert!(!late.timed_out(), "the spans did not come: {bodies:?}");
        spans(&bodies)
    }
}

fn collect(stream: TcpStream, heard: &Heard) {
    let mut reader = BufReader::new(stream);
    loop {
        let (mut first, mut length) = (String::new(), 0);
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line).unwrap_or(0) == 0 {
                return;
            }
            if let Some((name, value)) = line.split_once(':')
                && name.eq_ignore_ascii_case("content-length")
            {
                length = value.trim().parse().unwrap();
            }
            if first.is_empty() {
                first.clone_from(&line);
            }
            if line == "\r\n" {
                break;
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).unwrap();
        let mut bodies = heard.bodies.lock().unwrap();
        bodies.push((first, String::from_utf8(body).unwrap()));
        let status = if bodies.len() == 1 { "503 Service Unavailable" } else { "200 OK" };
        drop(bodies);
        heard.more.notify_all();
        let answer =
            format!("HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{{}}");
        if reader.get_mut().write_all(answer.as_bytes()).is_err() {
            return;
        }
    }
}

fn spans_of(body: &str) -> Vec<Value> {
    let body: Value = serde_json::from_str(body).unwrap();
    body["resourceSpans"][0]["scopeSpans"][0]["spans"].as_array().unwrap().clone()
}

/// The attributes of a span, by name.
fn attributes(span: &Value) -> Value {
    let named = span["attributes"].as_array().unwrap().iter().map(|one| {
        let value = one["value"].as_object().unwrap().values().next().unwrap().clone();
        (one["key"].as_str().unwrap().to_owned(), value)
    });
    Value::Object(named.collect())
}

/// Every file below a folder that holds `text`.
pub(crate) fn holding(folder: &Path, text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(holding(&path, text));
        } else if path.is_file() {
            let bytes = std::fs::read(&path).unwrap();
            if bytes.windows(text.len()).any(|window| window == text.as_bytes()) {
                found.push(path.display().to_string());
            }
        }
    }
    found
}

#[test]
fn others_are_told_what_happened_and_nothing_of_what_was_said() {
    let server = ModelServer::start(Script::says(ANSWER)).unwrap();
    let collector = Collector::start();
    let mut house = House::none();
    house.settings(&format!("[telemetry]\notlp_url = \"{}\"\n", collector.url));
    house.up(&["--init", "--log-format", "json"]);
    let file = house.put("secret.txt", SECRET);
    house.ok(&["secret", "set", "key", "--from-file", file.to_str().unwrap()]);
    let text = format!(
        "schema = 1\n[[unit]]\nname = \"main\"\n[[human]]\nname = \"ana\"\nunit = \"main\"\nroles = [\"administrator\"]\n\
         [[agent]]\nname = \"bot\"\nunit = \"main\"\nowner = \"ana\"\nmay = [\"use:model/small\"]\n\
         [[upstream]]\nname = \"local\"\nprotocol = \"openai\"\nbase_url = \"{}\"\n\
         credential = {{ kind = \"header\", header = \"authorization\", prefix = \"Bearer \", secret = \"key\" }}\n\
         [[route]]\nname = \"small\"\nkind = \"model\"\nupstreams = [{{ upstream = \"local\" }}]\n\
         [[route]]\nname = \"large\"\nkind = \"model\"\nupstreams = [{{ upstream = \"local\" }}]\n",
        server.url("/v1")
    );
    let folder = house.put("declared/all.toml", &text);
    house.ok(&["apply", folder.parent().unwrap().to_str().unwrap()]);
    let token = house.ok(&["agent", "token", "bot", "--subject", "ana", "--task", PROMPT]).trim().to_owned();
    let mut answers = String::new();
    for (model, status) in [("small", 200), ("large", 403)] {
        let body = json!({ "model": model, "messages": [{ "role": "user", "content": PROMPT }] });
        let (found, answer) = http(&house.gate, "post", "/v1/chat/completions", Some(&token), Some(&body));
        assert_eq!(found, status, "{answer}");
        if found == 200 {
            assert!(answer.contains(ANSWER));
        } else {
            answers.push_str(&answer);
        }
    }
    assert_eq!(server.heard()[0].header("authorization"), Some(format!("Bearer {SECRET}").as_str()));

    // Spans: names, ids, times.
    let spans = collector.spans(2);
    let (called, refused) = (&spans[0], &spans[1]);
    assert_eq!(
        (&called["name"], &called["kind"], &called["status"]),
        (&json!("chat small"), &json!(3), &json!({}))
    );
    let told = attributes(called);
    for (key, value) in [
        ("gen_ai.operation.name", "chat"),
        ("gen_ai.provider.name", "openai"),
        ("gen_ai.request.model", "small"),
        ("gen_ai.agent.name", "bot"),
        ("http.response.status_code", "200"),
        ("alcaide.end", "complete"),
    ] {
        assert_eq!(told[key], value, "{key}: {told}");
    }
    for key in [
        "gen_ai.usage.input_tokens",
        "gen_ai.usage.output_tokens",
        "gen_ai.agent.id",
        "gen_ai.conversation.id",
    ] {
        assert!(told[key].is_string(), "{key}: {told}");
    }
    assert_eq!((&refused["name"], &refused["status"]["code"]), (&json!("refused"), &json!(2)));
    assert!(attributes(refused)["error.type"].as_str().unwrap().starts_with("ALC-POLICY-"), "{refused}");
    assert_eq!(called["traceId"], refused["traceId"], "one task is one trace");
    let nanos = |key: &str| called[key].as_str().unwrap().parse::<u64>().unwrap();
    assert!(nanos("startTimeUnixNano") < nanos("endTimeUnixNano"));
    assert_eq!(called["traceId"].as_str().unwrap().len(), 32);
    assert_eq!(called["spanId"].as_str().unwrap().len(), 16);
    {
        let bodies = collector.heard.bodies.lock().unwrap();
        assert!(bodies.iter().all(|(first, _)| first == "POST /v1/traces HTTP/1.1\r\n"), "{bodies:?}");
        let resource = &serde_json::from_str::<Value>(&bodies[0].1).unwrap()["resourceSpans"][0]["resource"];
        assert_eq!(
            resource["attributes"][0],
            json!({ "key": "service.name", "value": { "stringValue": "alcaide" } })
        );
        for canary in [PROMPT, ANSWER, SECRET, token.as_str()] {
            assert!(!bodies.iter().any(|(_, body)| body.contains(canary)), "{canary}");
        }
    }

    // Metrics: each that is promised, with fixed labels.
    let office = house.ok(&["token", "office", "ana"]).trim().to_owned();
    let ask = || http(&house.office, "get", "/metrics", Some(&office), None).1;
    // The collector has the spans a moment before the exporter has its answer.
    let begun = std::time::Instant::now();
    while !ask().contains("spans_total{result=\"sent\"} 2\n") {
        assert!(begun.elapsed() < DEADLINE, "{}", ask());
    }
    let metrics = ask();
    for line in [
        "alcaide_gate_passed_total{status=\"200\"} 1\n",
        "alcaide_gate_decisions_total{outcome=\"allow\"} 1\n",
        "alcaide_gate_decisions_total{outcome=\"refuse\"} 1\n",
        "alcaide_gate_open_attempts 0\n",
        "alcaide_gate_open_streams 0\n",
        "alcaide_ledger_queue_entries 0\n",
        "alcaide_telemetry_spans_total{result=\"dropped\"} 0\n",
        "alcaide_telemetry_spans_total{result=\"sent\"} 2\n",
        "alcaide_office_lag_entries ",
        "alcaide_orders_age_seconds ",
    ] {
        assert!(metrics.contains(line), "no `{line}` in:\n{metrics}");
    }
    let plan = |name: &str| metrics.lines().find_map(|line| line.strip_prefix(name)).unwrap().to_owned();
    assert_eq!(plan("alcaide_gate_plan "), plan("alcaide_office_plan "));

    // The environment of an agent that is wrapped.
    let dir = house.dir();
    let asked = [
        "run",
        "--data-dir",
        dir.to_str().unwrap(),
        "--agent",
        "bot",
        "--subject",
        "ana",
        "--",
        "/usr/bin/env",
    ];
    let said = run(&asked, &[], b"");
    assert_eq!(said.code, 0, "{said:?}");
    let wrapped = said.out;
    assert!(wrapped.contains("OPENAI_BASE_URL="), "{wrapped}");
    let log = |house: &mut House| {
        let service = house.service();
        [service.lines(Source::Err), service.lines(Source::Out)].concat().join("\n")
    };
    let said = log(&mut house);
    house.down();
    for canary in [PROMPT, ANSWER, SECRET] {
        assert_eq!(holding(&house.dir(), canary), Vec::<String>::new(), "{canary} on disk");
        for (place, text) in
            [("log", &said), ("errors", &answers), ("metrics", &metrics), ("environment", &wrapped)]
        {
            assert!(!text.contains(canary), "{canary} in the {place}: {text}");
        }
    }
    // The log is one JSON object a line, and carries codes.
    assert!(
        said.lines()
            .filter(|line| line.starts_with('{'))
            .all(|line| serde_json::from_str::<Value>(line).is_ok())
    );
}
