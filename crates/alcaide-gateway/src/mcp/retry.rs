//! A call that comes again may say in `_meta` which question it was told of. It need not: the gate finds the question
//! under what the call does ([decision 4](../../../../docs/decisions/0004-approvals.md)). So the key is no part of what
//! acts, is believed in nothing, and stays here: a server is told what is asked of it, not what people were asked.

use alcaide_inventory::id::ApprovalId;
use alcaide_wire::json::{Document, Kind, Value};

use crate::labels::META_KEY;

/// Keys of `_meta` that name a question: the gate's own, and the plain one, which is how refusals call it.
const KEYS: [&str; 2] = ["alcaide/approval_id", "approval_id"];

/// Whether a member of `_meta` names a question. What has another form is a server's own and passes.
pub(super) fn names_question(key: &str, value: Value<'_, '_>) -> bool {
    KEYS.contains(&key) && value.as_str().is_some_and(|text| text.parse::<ApprovalId>().is_ok())
}

/// Those of the keys that this message has and that stay here; a label that it was given as well: what goes on is said by
/// this gate.
pub(super) fn kept_back(document: &Document<'_>) -> Vec<&'static str> {
    let meta = document.root().get("params").and_then(|params| params.get("_meta"));
    let Some(meta) = meta.filter(|meta| meta.kind() == Kind::Object) else { return Vec::new() };
    let questions =
        KEYS.into_iter().filter(|key| meta.get(key).is_some_and(|value| names_question(key, value)));
    questions.chain([META_KEY].into_iter().filter(|key| meta.get(key).is_some())).collect()
}

#[cfg(test)]
mod tests {
    use alcaide_wire::json::Limits;

    use super::*;

    #[test]
    fn a_question_is_named_by_its_id_alone() {
        let kept = |text: &str| kept_back(&Document::parse(text.as_bytes(), &Limits::default()).unwrap());
        let id = ApprovalId::from_bits(7);
        let with = |meta: &str| format!(r#"{{"method":"tools/call","params":{{"_meta":{meta}}}}}"#);
        assert_eq!(kept(&with(&format!(r#"{{"approval_id":"{id}","x":1}}"#))), ["approval_id"]);
        assert_eq!(kept(&with(&format!(r#"{{"alcaide/approval_id":"{id}"}}"#))), ["alcaide/approval_id"]);
        assert_eq!(kept(&with(&format!(r#"{{"approval_id":"{id}","alcaide/approval_id":"{id}"}}"#))), KEYS);
        for other in
            [r#"{"approval_id":"PO-7"}"#, r#"{"approval_id":7}"#, r#"{"approval_id":null}"#, "{}", "[]"]
        {
            assert_eq!(kept(&with(other)), [""; 0], "{other}");
        }
        assert_eq!(kept(&with(&format!(r#"{{"their/approval_id":"{id}"}}"#))), [""; 0]);
        assert_eq!(kept(&format!(r#"{{"approval_id":"{id}","params":{{"approval_id":"{id}"}}}}"#)), [""; 0]);
        assert_eq!(kept(r#"{"method":"ping"}"#), [""; 0]);
    }
}
