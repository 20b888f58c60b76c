//! Findings in files as a SARIF log, for the tools that collect them.
//!
//! Source: SARIF 2.1.0 (OASIS), sections 3.13 (log), 3.14 (run), 3.19 (driver), 3.49 (rules), 3.27 (results), 3.28 to 3.30
//! (locations), 3.33 (logical locations).

use serde::Serialize;

use crate::{FileFinding, Rating};

/// A rule as SARIF tells it.
#[derive(Clone, Copy, Debug)]
pub struct SarifRule<'a> {
    /// Stable id.
    pub id: &'a str,
    /// What it finds.
    pub description: &'a str,
    /// What to do about it.
    pub help: &'a str,
    /// How much harm it means.
    pub rating: Rating,
}

/// A finding and the file that it is in, by its path below the root of the scan.
#[derive(Clone, Copy, Debug)]
pub struct SarifResult<'a> {
    /// The file, with `/` between its parts.
    pub file: &'a str,
    /// What was found.
    pub finding: &'a FileFinding,
}

/// A SARIF log of one run of the program called `name`.
#[must_use]
pub fn log<'a>(
    name: &'a str,
    version: &'a str,
    rules: &[SarifRule<'a>],
    results: &[SarifResult<'a>],
) -> impl Serialize + use<'a> {
    let at = |id: &str| rules.iter().position(|rule| rule.id == id);
    Log {
        schema: "https://json.schemastore.org/sarif-2.1.0.json",
        version: "2.1.0",
        runs: [Run {
            tool: Tool {
                driver: Driver {
                    name,
                    semantic_version: version,
                    rules: rules.iter().map(Rule::of).collect(),
                },
            },
            column_kind: "utf16CodeUnits",
            results: results.iter().map(|one| Told::of(one, at(one.finding.rule.as_str()))).collect(),
        }],
    }
}

#[derive(Serialize)]
struct Log<'a> {
    #[serde(rename = "$schema")]
    schema: &'static str,
    version: &'static str,
    runs: [Run<'a>; 1],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Run<'a> {
    tool: Tool<'a>,
    column_kind: &'static str,
    results: Vec<Told>,
}

#[derive(Serialize)]
struct Tool<'a> {
    driver: Driver<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Driver<'a> {
    name: &'a str,
    semantic_version: &'a str,
    rules: Vec<Rule>,
}

#[derive(Serialize)]
struct Text {
    text: String,
}

impl Text {
    fn of(text: &str) -> Self {
        Self { text: text.to_owned() }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Rule {
    id: String,
    short_description: Text,
    help: Text,
    default_configuration: Level,
    properties: Harm,
}

#[derive(Serialize)]
struct Level {
    level: &'static str,
}

#[derive(Serialize)]
struct Harm {
    #[serde(rename = "security-severity")]
    severity: &'static str,
}

impl Rule {
    fn of(rule: &SarifRule<'_>) -> Self {
        Self {
            id: rule.id.to_owned(),
            short_description: Text::of(rule.description),
            help: Text::of(rule.help),
            default_configuration: Level { level: level(rule.rating) },
            properties: Harm { severity: score(rule.rating) },
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Told {
    rule_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    rule_index: Option<usize>,
    level: &'static str,
    message: Text,
    locations: [Location; 1],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Location {
    physical_location: Physical,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    logical_locations: Vec<Logical>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Physical {
    artifact_location: Artifact,
    #[serde(skip_serializing_if = "Option::is_none")]
    region: Option<Region>,
}

#[derive(Serialize)]
struct Artifact {
    uri: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Region {
    byte_offset: u64,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Logical {
    fully_qualified_name: String,
}

impl Told {
    fn of(one: &SarifResult<'_>, rule_index: Option<usize>) -> Self {
        let finding = one.finding;
        let place = &finding.place;
        // An offset is one of the file only where the finding is in the file itself, not in a member that was unpacked.
        let offset = place.offset.filter(|_| place.member.is_empty());
        let mut within = place.member.clone();
        within.extend(place.pointer.clone());
        let logical = Logical { fully_qualified_name: within.join("!") };
        Self {
            rule_id: finding.rule.as_str().to_owned(),
            rule_index,
            level: level(finding.rating),
            message: Text::of(&finding.evidence),
            locations: [Location {
                physical_location: Physical {
                    artifact_location: Artifact { uri: uri(one.file) },
                    region: offset.map(|byte_offset| Region { byte_offset }),
                },
                logical_locations: if within.is_empty() { Vec::new() } else { vec![logical] },
            }],
        }
    }
}

const fn level(rating: Rating) -> &'static str {
    match rating {
        Rating::None => "note",
        Rating::Low | Rating::Medium => "warning",
        Rating::High | Rating::Critical => "error",
    }
}

/// The middle of the band of CVSS scores that the rating stands for.
const fn score(rating: Rating) -> &'static str {
    match rating {
        Rating::None => "0.0",
        Rating::Low => "2.0",
        Rating::Medium => "5.5",
        Rating::High => "8.0",
        Rating::Critical => "9.5",
    }
}

/// A relative reference: what may not stand in a path segment is escaped (RFC 3986, section 3.3), a colon too, since
/// the first segment must hold none.
fn uri(path: &str) -> String {
    let mut out = String::with_capacity(path.len());
    for byte in path.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'-' | b'.' | b'_' | b'~' => {
                out.push(char::from(byte))
            }
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Place, RuleId};

    #[test]
    fn a_finding_stands_at_its_byte_only_in_the_file_itself() {
        let rules = [SarifRule { id: "a-rule", description: "d", help: "h", rating: Rating::High }];
        let mut finding = FileFinding {
            rating: Rating::High,
            rule: RuleId::fixed("a-rule"),
            place: Place { offset: Some(7), ..Place::default() },
            evidence: "e".into(),
        };
        let log_of = |finding: &FileFinding| {
            let results = [SarifResult { file: "a b/c:d", finding }];
            serde_json::to_value(log("alcaide", "1.0.0", &rules, &results)).unwrap()
        };
        let result = &log_of(&finding)["runs"][0]["results"][0];
        assert_eq!(result["ruleIndex"], 0);
        assert_eq!(result["level"], "error");
        let place = &result["locations"][0]["physicalLocation"];
        assert_eq!(place["artifactLocation"]["uri"], "a%20b/c%3Ad");
        assert_eq!(place["region"]["byteOffset"], 7);
        finding.place =
            Place { member: vec!["data.pkl".into()], offset: Some(7), pointer: Some("os.system".into()) };
        let log = log_of(&finding);
        let place = &log["runs"][0]["results"][0]["locations"][0];
        assert!(place["physicalLocation"]["region"].is_null());
        assert_eq!(place["logicalLocations"][0]["fullyQualifiedName"], "data.pkl!os.system");
    }
}
