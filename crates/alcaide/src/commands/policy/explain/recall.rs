//! What the record says of where a call's arguments came from, in the form in which policies saw it: places become the
//! names that the tool's accepted schema gives them.

use std::collections::BTreeMap;

use alcaide_inventory::Plan;
use alcaide_inventory::id::ToolId;
use alcaide_label::Provenance;
use alcaide_policy::{Flow, SoFar};
use alcaide_record::Content;
use serde_json::Value;

/// A recorded judgement, with names.
#[derive(Debug, Default)]
pub(in crate::commands::policy) struct Recalled {
    names: Vec<Box<str>>,
    from: Vec<Provenance>,
    unbound: Vec<Box<str>>,
    copied: Vec<Box<str>>,
    carries: Vec<Box<str>>,
    leaks: Vec<Box<str>>,
    look_alikes: Vec<Box<str>>,
    handles: Vec<Box<str>>,
    over: Vec<Box<str>>,
    flow: Flow<'static>,
}

impl Recalled {
    /// What the content of a call of this tool says under this plan. A name that the schema does not have is told as
    /// `argument N`: the record does not hold it.
    pub(in crate::commands::policy) fn of(
        plan: &Plan,
        tool: Option<ToolId>,
        content: Option<&Content>,
    ) -> Self {
        let Some((content, note)) = content.and_then(|one| Some((one, one.flow.as_deref()?))) else {
            return Self::default();
        };
        let schema =
            plan.tools.iter().find(|one| Some(one.id) == tool).and_then(|one| one.input_schema.as_deref());
        let schema: BTreeMap<String, Value> = schema
            .and_then(|text| serde_json::from_str::<Value>(text).ok())
            .and_then(|schema| serde_json::from_value(schema.get("properties")?.clone()).ok())
            .unwrap_or_default();
        let names: Vec<Box<str>> = note
            .names
            .iter()
            .enumerate()
            .map(|(at, place)| {
                let known = schema.keys().nth(usize::from(*place)).map(|name| name.as_str().into());
                known.unwrap_or_else(|| format!("argument {}", at.saturating_add(1)).into())
            })
            .collect();
        let named = |places: &[u16]| -> Vec<Box<str>> {
            places.iter().filter_map(|at| names.get(usize::from(*at)).cloned()).collect()
        };
        Self {
            unbound: named(&note.unbound),
            copied: named(&note.copied),
            carries: named(&note.carries),
            leaks: named(&note.leaks),
            look_alikes: named(&note.look_alikes),
            handles: named(&note.handles),
            over: named(&note.over),
            from: content.arguments.clone(),
            flow: Flow {
                in_scope: note.in_scope,
                reaches_out: note.reaches_out,
                own_words: note.own_words,
                named: note.named,
                calls: note.calls,
                count_over: note.count_over,
                repeats: note.repeats,
                targets: note.targets,
                argument_bytes: note.argument_bytes,
                so_far: so_far(note.so_far),
                forgotten: note.forgotten,
                ..Flow::default()
            },
            names,
        }
    }

    /// Where each argument came from.
    pub(super) fn provenance(&self) -> Vec<(&str, Provenance)> {
        self.names.iter().map(|name| &**name).zip(self.from.iter().copied()).collect()
    }

    /// As policies saw it.
    pub(super) fn flow(&self) -> Flow<'_> {
        Flow {
            unbound: &self.unbound,
            copied: &self.copied,
            carries: &self.carries,
            leaks: &self.leaks,
            look_alikes: &self.look_alikes,
            handles: &self.handles,
            over: &self.over,
            ..self.flow
        }
    }
}

const fn so_far(noted: alcaide_record::SoFar) -> SoFar {
    SoFar {
        calls: noted.calls,
        effects: noted.effects,
        read_bytes: noted.read_bytes,
        read_records: noted.read_records,
        tainted_bytes: noted.tainted_bytes,
        tainted_records: noted.tainted_records,
    }
}

#[cfg(test)]
mod tests {
    use alcaide_inventory::plan::PlacedTool;
    use alcaide_label::Label;
    use alcaide_record::{Digest, FlowNote, WordsGrade};

    use super::*;

    #[test]
    fn places_become_the_names_of_the_accepted_schema() {
        let tool = ToolId::from_bits(1);
        let declared: alcaide_inventory::declare::Tool =
            serde_json::from_str(r#"{"server":"bank","name":"pay"}"#).unwrap();
        let schema = r#"{"properties":{"to":{},"amount":{},"note":{}}}"#.to_owned();
        let plan = Plan {
            tools: vec![PlacedTool { id: tool, spec: declared, pin: None, input_schema: Some(schema) }],
            ..Plan::default()
        };
        let note = FlowNote {
            names: vec![0, 2, u16::MAX],
            unbound: vec![1, 2],
            copied: vec![7],
            handles: vec![2],
            in_scope: true,
            ..FlowNote::default()
        };
        let content = Content {
            arguments: vec![Provenance::UserAttested, Provenance::Untrusted, Provenance::Unknown],
            bytes: 1,
            claim: None,
            digest: Digest::default(),
            edited: false,
            findings: Vec::new(),
            flow: Some(Box::new(note)),
            label: Label::CLEAN,
            words: WordsGrade::Attested,
        };
        let recalled = Recalled::of(&plan, Some(tool), Some(&content));
        assert_eq!(
            recalled.provenance(),
            [
                ("amount", Provenance::UserAttested),
                ("to", Provenance::Untrusted),
                ("argument 3", Provenance::Unknown)
            ]
        );
        let flow = recalled.flow();
        assert_eq!(flow.unbound, [Box::from("to"), Box::from("argument 3")]);
        assert_eq!(flow.handles, [Box::from("argument 3")]);
        assert!(flow.copied.is_empty() && flow.in_scope && !flow.named);
        assert!(Recalled::of(&plan, Some(tool), None).provenance().is_empty());
    }
}
