//! The Cedar schema: a plain file for everything that is the same in every plan, and one action per typed tool.
//!
//! A tool's action is named `server/tool` and is a member of the group `call_tool`; its context is the common one
//! with `args?` besides, a record made of the tool's accepted input schema. So a policy about one tool names
//! `action == Alcaide::Action::"erp/post_invoice"` and reads `context.args.amount`, type-checked; a policy about all
//! tools writes `action in Alcaide::Action::"call_tool"`, and if it reads `args` it is checked against each tool.
//!
//! Checking costs time in proportion to policies and actions, so each policy is checked against the smallest schema
//! that says the same: a policy about one action against that action, a policy about tools that it names against
//! those, and a policy about all tools that does not read `args`, in which alone they differ, against one that stands
//! for all.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;
use std::str::FromStr;
use std::sync::{LazyLock, OnceLock};

use cedar_policy::{PolicySet, Schema, ValidationError, ValidationMode, ValidationWarning, Validator};
use cedar_policy_core::ast::EntityUID;
use cedar_policy_core::fuzzy_match::fuzzy_search;
use miette::Diagnostic;

use crate::args::cedar_string;
use crate::ask::Action;
use crate::expr::{Reads, mentions_action};
use crate::fault::{Notice, PolicyFault, Rule, one_line};
use crate::house::{House, ToolFacts};
use crate::source::{ActionScope, Sources, Statute, offset};

/// The part that is the same in every plan.
pub(crate) const BASE_TEXT: &str = include_str!("../default/alcaide.cedarschema");

static BASE: LazyLock<Result<Schema, String>> =
    LazyLock::new(|| Schema::from_str(BASE_TEXT).map_err(|error| error.to_string()));

/// One schema per action of the base, made when a policy first needs it.
static ONE: [OnceLock<Result<Schema, String>>; Action::ALL.len()] =
    [const { OnceLock::new() }; Action::ALL.len()];

/// How many tools share one schema when policies about single tools are checked.
const TOOLS_TOGETHER: usize = 8;

/// The schema of these tools in Cedar's schema language, with all other actions.
pub(crate) fn text_of<'a>(tools: impl Iterator<Item = &'a ToolFacts>) -> String {
    text_with(|_| true, tools)
}

/// The schema of the chosen actions of the base and of these tools.
fn text_with<'a>(chosen: impl Fn(&str) -> bool, tools: impl Iterator<Item = &'a ToolFacts>) -> String {
    let call = BASE_TEXT
        .split_once("// call:begin")
        .and_then(|(_, rest)| rest.split_once("// call:end"))
        .map_or("", |(call, _)| call.trim());
    let whole = BASE_TEXT.trim_end();
    let mut blocks = whole.strip_suffix('}').unwrap_or(whole).split("\n  action ");
    let mut text = blocks.next().unwrap_or_default().to_owned();
    for block in blocks {
        let name = block.split([' ', ';']).next().unwrap_or_default().trim_matches('"');
        // Tools are members of the group, so it is always there.
        if name == "call_tool" || chosen(name) {
            text.push_str("\n  action ");
            text.push_str(block);
        }
    }
    text.push('\n');
    for tool in tools {
        let name = cedar_string(&format!("{}/{}", tool.server, tool.name));
        // INVARIANT: writing into a string does not fail.
        let _ = write!(
            text,
            "  action {name} in [call_tool] appliesTo {{ principal: [Agent, Human, Workload], resource: Tool, context: "
        );
        match &tool.args {
            None => text.push_str("Call"),
            Some(args) => {
                let _ = write!(text, "{{ {call}, args?: ");
                args.cedar(&mut text);
                text.push_str(" }");
            }
        }
        text.push_str(" };\n");
    }
    text.push_str("}\n");
    text
}

/// The smallest schema against which a policy may be checked.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
enum Against {
    /// One action of the base; for `call_tool` one tool without arguments that stands for all.
    One(Action),
    /// The n-th group of tools by themselves.
    Tools(usize),
    /// All actions of the base.
    Base,
    /// Everything.
    All,
}

/// Checks all declared policies against their schemas; grants are right by construction, and the tests check the
/// shipped ones.
pub(crate) fn validate(sources: &Sources, house: &House) -> (Vec<PolicyFault>, Vec<Notice>) {
    let mut check = Check { sources, house, faults: Vec::new(), notices: Vec::new() };
    let is_declared = |statute: &&Statute| {
        statute.file.and_then(|at| sources.files.get(at)).is_some_and(|file| !file.shipped)
    };
    let mut tools: Vec<&ToolFacts> = house.tools.values().collect();
    tools.sort_by(|a, b| (&a.server, &a.name).cmp(&(&b.server, &b.name)));
    let groups: HashMap<&EntityUID, usize> =
        tools.iter().enumerate().map(|(at, tool)| (&*tool.action, at / TOOLS_TOGETHER)).collect();
    let mut parts: BTreeMap<Against, Vec<&Statute>> = BTreeMap::new();
    for statute in sources.statutes.iter().filter(is_declared) {
        parts.entry(against(statute, &groups)).or_default().push(statute);
    }
    for (part, statutes) in parts {
        let read = |text: String| Schema::from_str(&text).map_err(|error| error.to_string());
        let schema = match part {
            Against::Base => BASE.clone(),
            Against::All => read(text_of(tools.iter().copied())),
            Against::Tools(group) => {
                let own = tools.chunks(TOOLS_TOGETHER).nth(group).unwrap_or_default();
                let named =
                    |tool: &&ToolFacts| statutes.iter().any(|one| is_named(&one.action, &tool.action));
                read(text_with(|_| false, own.iter().copied().filter(named)))
            }
            Against::One(action) => {
                let name = if action == Action::CallTool { "/undeclared" } else { action.as_str() };
                let make = || read(text_with(|other| other == name, std::iter::empty()));
                let at = Action::ALL.iter().position(|one| *one == action);
                at.and_then(|at| ONE.get(at)).map_or_else(make, |slot| slot.get_or_init(make).clone())
            }
        };
        match schema {
            Ok(schema) => check.against(schema, &statutes),
            Err(why) => check.broken(&why),
        }
    }
    (check.faults, check.notices)
}

/// The smallest schema that says the same about a policy as the whole one: its head rules the other actions out, and
/// it names no other action in its conditions.
fn against(statute: &Statute, groups: &HashMap<&EntityUID, usize>) -> Against {
    let reads_args = statute.conditions.iter().any(|part| part.reads.has(Reads::ARGS));
    let names_action = statute.conditions.iter().any(|part| mentions_action(&part.expr));
    let wide = if reads_args || names_action { Against::All } else { Against::Base };
    let uids = match &statute.action {
        ActionScope::Any => return wide,
        ActionScope::Eq(uid) => std::slice::from_ref(uid),
        ActionScope::In(uids) => uids.as_slice(),
    };
    let group = |uid: &EntityUID| groups.get(uid).copied();
    match uids {
        _ if names_action => Against::All,
        [uid] if group(uid).is_none() => match Action::from_word(uid.eid().as_ref()) {
            Some(Action::CallTool) if reads_args => Against::All,
            Some(action) => Against::One(action),
            None => Against::All,
        },
        [first, rest @ ..] => match group(first) {
            Some(own) if rest.iter().all(|uid| group(uid) == Some(own)) => Against::Tools(own),
            Some(_) => Against::All,
            None if uids.iter().any(|uid| group(uid).is_some()) => Against::All,
            None => wide,
        },
        [] => wide,
    }
}

fn is_named(action: &ActionScope, tool: &EntityUID) -> bool {
    match action {
        ActionScope::Any => false,
        ActionScope::Eq(uid) => uid == tool,
        ActionScope::In(uids) => uids.contains(tool),
    }
}

struct Check<'a> {
    sources: &'a Sources,
    house: &'a House,
    faults: Vec<PolicyFault>,
    notices: Vec<Notice>,
}

impl Check<'_> {
    fn against(&mut self, schema: Schema, statutes: &[&Statute]) {
        let set = match PolicySet::from_policies(statutes.iter().map(|statute| statute.policy.clone())) {
            Ok(set) => set,
            Err(error) => return self.broken(&error.to_string()),
        };
        let result = Validator::new(schema).validate(&set, ValidationMode::Strict);
        let mut faults: Vec<_> = result.validation_errors().filter_map(|error| self.fault(error)).collect();
        faults.sort_by(|a, b| (&a.file, a.line, a.column, &a.why).cmp(&(&b.file, b.line, b.column, &b.why)));
        // One mistake shows once per principal type and tool that it is checked for.
        faults.dedup_by(|a, b| (a.rule, &a.file, a.line, a.column) == (b.rule, &b.file, b.line, b.column));
        self.faults.extend(faults);
        let mut warned: Vec<Notice> =
            result.validation_warnings().filter_map(|one| self.warning(one)).collect();
        warned.sort_by(|a, b| (&a.place, &a.text).cmp(&(&b.place, &b.text)));
        warned.dedup();
        self.notices.extend(warned);
    }

    fn statute(&self, id: &cedar_policy::PolicyId) -> Option<&Statute> {
        let id: &str = id.as_ref();
        self.sources.statutes.iter().find(|statute| *statute.reference.cedar_id == *id)
    }

    fn fault(&self, error: &ValidationError) -> Option<PolicyFault> {
        let statute = self.statute(error.policy_id())?;
        let file = statute.file.and_then(|at| self.sources.files.get(at))?;
        let rule = match error {
            ValidationError::UnsafeAttributeAccess(_) => Rule::UnknownAttribute,
            ValidationError::UnrecognizedEntityType(_) => Rule::UnknownEntityType,
            ValidationError::UnrecognizedActionId(_) => Rule::UnknownAction,
            ValidationError::UnsafeOptionalAttributeAccess(_) => Rule::Unguarded,
            _ => Rule::Type,
        };
        let why = without_id(&error.to_string(), &statute.reference.cedar_id);
        let fix = self
            .near_tool(rule, &why)
            .or_else(|| error.help().map(|help| help.to_string()))
            .unwrap_or_else(|| fix_of(rule).to_owned());
        Some(file.fault(rule, offset(error).unwrap_or(0), why, fix))
    }

    /// For an action that looks like a tool's: the tool that was meant.
    fn near_tool(&self, rule: Rule, why: &str) -> Option<String> {
        let given =
            why.split('"').nth(1).filter(|given| rule == Rule::UnknownAction && given.contains('/'))?;
        let known: Vec<&str> = self.house.tools.values().map(|tool| tool.action.eid().as_ref()).collect();
        let near = fuzzy_search(given, &known)?;
        Some(format!(
            "did you mean `Alcaide::Action::\"{near}\"`? a tool's action is there once the tool is declared"
        ))
    }

    fn warning(&self, warning: &ValidationWarning) -> Option<Notice> {
        let statute = self.statute(warning.policy_id())?;
        let text = match warning {
            ValidationWarning::ImpossiblePolicy(_) => {
                format!(
                    "can never match: its head and conditions leave no call ({})",
                    Rule::Impossible.code()
                )
            }
            other => one_line(&without_id(&other.to_string(), &statute.reference.cedar_id)),
        };
        Some(Notice {
            place: format!("policy/{} ({})", statute.reference.cedar_id, statute.reference.place),
            text,
        })
    }

    fn broken(&mut self, why: &str) {
        self.faults.push(PolicyFault {
            rule: Rule::Plan,
            set: "plan".into(),
            file: "schema".into(),
            line: 1,
            column: 1,
            why: format!("the schema of this plan does not hold together: {}", one_line(why)),
            fix: "look at the tools' input schemas with `alcaide policy schema`".into(),
        });
    }
}

const fn fix_of(rule: Rule) -> &'static str {
    match rule {
        Rule::UnknownAttribute => {
            "use an attribute that `alcaide policy schema` shows, or test with `has` first"
        }
        Rule::UnknownEntityType => {
            "use an entity type that `alcaide policy schema` shows, with `Alcaide::` before it"
        }
        Rule::UnknownAction => "use an action that `alcaide policy schema` shows",
        Rule::Unguarded => "test that it is there first, with `has` and `&&`",
        _ => "make both sides of the one type that the schema gives",
    }
}

/// Cedar begins its texts with the policy's id, which the place already says; and it names types in full.
fn without_id(text: &str, id: &str) -> String {
    let text = text.strip_prefix(&format!("for policy `{id}`, ")).unwrap_or(text);
    text.replace("type `Alcaide::", "type `")
}
