//! What the gate answers in a server's place, where the two ends are of different generations, or for the union.

use alcaide_wire::json::edit::encode;
use alcaide_wire::json::{Document, Limits, Value};
use alcaide_wire::jsonrpc::{self, Id};
use alcaide_wire::mcp::{Revision, meta_key};

/// What a server can do, as JSON, from its own response; nothing where it does not say.
fn capabilities(response: &[u8], unbridged: &[&str]) -> Option<(String, String)> {
    let document = Document::parse(response, &Limits::default()).ok()?;
    let result = document.root().get("result")?;
    let mut parts: Vec<String> = Vec::new();
    for entry in result.get("capabilities").into_iter().flat_map(Value::entries) {
        if !unbridged.contains(&entry.key.as_ref()) {
            // What is listed does not change by itself here: nothing would carry the news.
            let value = if matches!(entry.key.as_ref(), "tools" | "prompts" | "resources") {
                "{}".into()
            } else {
                String::from_utf8_lossy(entry.value.raw())
            };
            parts.push(format!("{}:{value}", encode(&entry.key)));
        }
    }
    let info = result.get("serverInfo").or_else(|| result.get("_meta")?.get(meta_key::SERVER_INFO));
    let info = info.map_or_else(own_info, |info| String::from_utf8_lossy(info.raw()).into_owned());
    Some((format!("{{{}}}", parts.join(",")), info))
}

/// Who the gate says it is where it speaks for itself.
fn own_info() -> String {
    format!("{{\"name\":\"alcaide\",\"version\":\"{}\"}}", env!("CARGO_PKG_VERSION"))
}

/// The response to `initialize` in the place of a server that takes no handshake from the caller; `discovered` is what that
/// server said of itself, in either generation, and `told` what it may tell the model.
pub(crate) fn initialized(id: &Id<'_>, revision: Revision, discovered: &[u8], told: Option<&str>) -> Vec<u8> {
    let (capabilities, info) = capabilities(discovered, &["extensions", "tasks", "experimental", "logging"])
        .unwrap_or_else(|| ("{}".into(), own_info()));
    initialize_result(id, revision, (&capabilities, &info), told)
}

/// What the union can do.
const UNION: &str = "{\"tools\":{},\"prompts\":{},\"resources\":{},\"completions\":{}}";

/// The response to `initialize` for the union.
pub(crate) fn union_initialized(id: &Id<'_>, revision: Revision, told: Option<&str>) -> Vec<u8> {
    initialize_result(id, revision, (UNION, &own_info()), told)
}

/// `instructions` as one more member of a result.
fn member(told: Option<&str>) -> String {
    told.map_or_else(String::new, |told| format!(",\"instructions\":{}", encode(told)))
}

fn initialize_result(
    id: &Id<'_>,
    revision: Revision,
    (capabilities, info): (&str, &str),
    told: Option<&str>,
) -> Vec<u8> {
    let told = member(told);
    jsonrpc::result(
        id,
        &format!(
            "{{\"protocolVersion\":\"{revision}\",\"capabilities\":{capabilities},\"serverInfo\":{info}{told}}}"
        ),
    )
}

/// The response to `server/discover` in the place of a handshake server; `hello` is that server's own response.
pub(crate) fn discovered(id: &Id<'_>, hello: &[u8], told: Option<&str>) -> Vec<u8> {
    let (capabilities, info) = capabilities(hello, &["logging", "tasks", "experimental"])
        .unwrap_or_else(|| ("{}".into(), own_info()));
    discover_result(id, (&capabilities, &info), told)
}

/// The response to `server/discover` for the union.
pub(crate) fn union_discovered(id: &Id<'_>, told: Option<&str>) -> Vec<u8> {
    discover_result(id, (UNION, &own_info()), told)
}

fn discover_result(id: &Id<'_>, (capabilities, info): (&str, &str), told: Option<&str>) -> Vec<u8> {
    let told = member(told);
    let version = Revision::NEWEST_STATELESS;
    let key = meta_key::SERVER_INFO;
    jsonrpc::result(
        id,
        &format!(
            "{{\"resultType\":\"complete\",\"supportedVersions\":[\"{version}\"],\"capabilities\":{capabilities},\
             \"ttlMs\":0,\"cacheScope\":\"private\",\"_meta\":{{\"{key}\":{info}}}{told}}}"
        ),
    )
}

/// An empty result.
pub(crate) fn nothing(id: &Id<'_>) -> Vec<u8> {
    jsonrpc::result(id, "{}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_server_can_do_is_said_in_the_other_generation() {
        let discover = br#"{"jsonrpc":"2.0","id":1,"result":{"capabilities":{"tools":{"listChanged":true},"completions":{}},
            "resultType":"complete","supportedVersions":["2026-07-28"],"_meta":{"io.modelcontextprotocol/serverInfo":{"name":"s"}}}}"#;
        let id = Id::integer(7);
        let said = initialized(&id, Revision::V2025_06_18, discover, Some("say \"please\""));
        let said: serde_json::Value = serde_json::from_slice(&said).unwrap();
        assert_eq!(said["id"], 7);
        assert_eq!(said["result"]["protocolVersion"], "2025-06-18");
        assert_eq!(said["result"]["serverInfo"]["name"], "s");
        assert_eq!(said["result"]["instructions"], "say \"please\"");
        assert_eq!(said["result"]["capabilities"], serde_json::json!({ "tools": {}, "completions": {} }));

        let hello = br#"{"jsonrpc":"2.0","id":1,"result":{"protocolVersion":"2025-11-25","capabilities":{"logging":{},"tools":{}},
            "serverInfo":{"name":"old","version":"1"}}}"#;
        let said: serde_json::Value = serde_json::from_slice(&discovered(&id, hello, None)).unwrap();
        assert_eq!(said["result"]["capabilities"], serde_json::json!({ "tools": {} }));
        assert_eq!(said["result"]["_meta"]["io.modelcontextprotocol/serverInfo"]["name"], "old");
        assert_eq!(said["result"].get("instructions"), None);
        assert_eq!(said["result"]["supportedVersions"], serde_json::json!(["2026-07-28"]));
    }
}
