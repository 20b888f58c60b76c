//! Callables that are safe or not by the constants they are given: getters of attributes and items, callers of methods,
//! makers of named tuples. Pickles of honest programs hold them; what they are handed to is another question.

use super::machine::Machine;
use super::value::Value;
use crate::packs;
use crate::rules::{self, Rule};

impl Machine<'_, '_> {
    /// What is wrong with a call of `module.name` with these arguments; none if it is not one of these callables.
    pub(super) fn getter(
        &mut self,
        module: &str,
        name: &str,
        items: &[Value],
    ) -> Option<Option<&'static Rule>> {
        Some(match (module, name) {
            ("operator" | "_operator", "attrgetter") => {
                let names = self.texts_of(items);
                let harmless = names.is_some_and(|names| {
                    !names.is_empty()
                        && names.iter().all(|path| {
                            path.split('.').all(|name| is_name(name) && packs::by_verb(name).is_none())
                        })
                });
                (!harmless).then_some(&rules::REACHES_ATTRIBUTE)
            }
            ("operator" | "_operator", "methodcaller") => {
                let (first, rest) = items.split_first()?;
                let named = self.text(*first).filter(|name| is_name(name) && packs::by_verb(name).is_none());
                let plain = rest.iter().all(|item| {
                    matches!(
                        item,
                        Value::None | Value::Flag(_) | Value::Int(_) | Value::Number | Value::Text { .. }
                    )
                });
                match named {
                    Some(name) if plain && VALUE_METHODS.contains(&name.as_str()) => None,
                    Some(_) if plain => Some(&rules::UNKNOWN_CALLABLE),
                    _ => Some(&rules::REACHES_ATTRIBUTE),
                }
            }
            ("collections", "namedtuple") => {
                let mut names = Vec::new();
                for item in items.iter().take(2) {
                    match self.items_of(*item) {
                        Some(parts) => names.extend(parts),
                        None => names.push(*item),
                    }
                }
                let plain = self.texts_of(&names).is_some_and(|names| {
                    names
                        .iter()
                        .flat_map(|name| name.split([' ', ',']))
                        .all(|name| name.is_empty() || is_name(name))
                });
                (!plain).then_some(&rules::EVALUATES_CODE)
            }
            _ => return None,
        })
    }

    fn texts_of(&mut self, items: &[Value]) -> Option<Vec<String>> {
        items.iter().map(|item| self.text(*item)).collect()
    }

    /// All items of a tuple or list, if they are held.
    fn items_of(&self, value: Value) -> Option<Vec<Value>> {
        let Value::Node(number) = value else { return None };
        match self.node(number) {
            Some(super::value::Node::Tuple(held) | super::value::Node::List(held))
                if held.total == held.items.len() as u64 =>
            {
                Some(held.items.clone())
            }
            _ => None,
        }
    }
}

fn is_name(name: &str) -> bool {
    name.len() < 100
        && name.starts_with(|one: char| one.is_ascii_alphabetic())
        && name.bytes().all(|one| one.is_ascii_alphanumeric() || one == b'_')
}

/// Methods of texts, numbers, lists and arrays that give another value.
const VALUE_METHODS: &[&str] = &[
    "lower",
    "upper",
    "strip",
    "lstrip",
    "rstrip",
    "split",
    "rsplit",
    "splitlines",
    "title",
    "casefold",
    "capitalize",
    "replace",
    "startswith",
    "endswith",
    "encode",
    "decode",
    "zfill",
    "count",
    "index",
    "find",
    "item",
    "tolist",
    "copy",
    "keys",
    "values",
    "items",
    "get",
    "mean",
    "sum",
    "max",
    "min",
    "std",
    "argmax",
    "argmin",
    "astype",
    "reshape",
    "flatten",
    "ravel",
    "squeeze",
    "round",
    "clip",
    "numpy",
    "cpu",
    "detach",
    "float",
    "long",
    "int",
    "half",
    "toarray",
    "todense",
    "isoformat",
    "total_seconds",
];
