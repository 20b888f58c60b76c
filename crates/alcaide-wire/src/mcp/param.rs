//! Arguments that headers repeat: `x-mcp-header` in a tool's schema, `Mcp-Param-*` in its calls.
//!
//! Source: specification 2026-07-28, "Streamable HTTP", "Custom Headers from Tool Parameters". Where the page
//! leaves it open, as `mcp.shared.inbound` 2.3.0: a header whose argument is absent is refused.

use super::header::{HeaderMismatch, decode_value, encode_value, single};
use super::header_name;
use crate::json::{Document, Kind, Value};

const ANNOTATION: &str = "x-mcp-header";
/// Most arguments of one tool that headers may repeat: each is a header of every call.
const PARAMS_MAX: usize = 64;
/// Integers that every reader holds: up to 2^53 - 1.
const INTEGER_MAX: i64 = (1 << 53) - 1;

/// A schema that says wrongly which arguments headers repeat: its tool is not to be offered.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ParamError {
    /// The annotation stands where no chain of `properties` leads.
    #[error("`x-mcp-header` stands where no chain of properties leads")]
    Unreachable,
    /// The annotation is no header name.
    #[error("`x-mcp-header` is no header name")]
    Name,
    /// The property is neither a string, an integer nor a boolean.
    #[error("`x-mcp-header` stands on a property that is no string, integer or boolean")]
    Type,
    /// Two annotations are equal but for case.
    #[error("two properties have the same `x-mcp-header`")]
    Twice,
    /// More than the limit.
    #[error("more than {PARAMS_MAX} properties have an `x-mcp-header`")]
    TooMany,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum ParamType {
    Text,
    Integer,
    Boolean,
}

#[derive(Clone, Debug, Eq, PartialEq)]
struct Param {
    path: Vec<String>,
    /// Whole name of the header.
    header: String,
    kind: ParamType,
}

/// Which arguments of a tool headers repeat.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct ParamHeaders(Vec<Param>);

impl ParamHeaders {
    /// Reads a tool's `inputSchema`.
    ///
    /// # Errors
    /// A [`ParamError`] where any annotation breaks a rule.
    pub fn of(schema: Value<'_, '_>) -> Result<Self, ParamError> {
        let mut found = Self::default();
        found.walk(schema, Some(&mut Vec::new()))?;
        Ok(found)
    }

    /// Whether no header repeats an argument.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// `path` is the chain of properties that leads here; absent off any chain. Depth is that of the
    /// document, which has a limit.
    fn walk(&mut self, schema: Value<'_, '_>, mut path: Option<&mut Vec<String>>) -> Result<(), ParamError> {
        if schema.kind() != Kind::Object {
            return Ok(());
        }
        for entry in schema.entries() {
            let value = entry.value;
            match entry.key.as_ref() {
                ANNOTATION => self.annotation(schema, value, path.as_deref())?,
                "properties" => {
                    for property in value.entries() {
                        match path.as_deref_mut() {
                            Some(path) => {
                                path.push(property.key.into_owned());
                                let walked = self.walk(property.value, Some(path));
                                path.pop();
                                walked?;
                            }
                            None => self.walk(property.value, None)?,
                        }
                    }
                }
                key if SINGLE.contains(&key) => self.walk(value, None)?,
                key if LISTS.contains(&key) => {
                    value.items().try_for_each(|item| self.walk(item, None))?;
                }
                key if MAPS.contains(&key) => {
                    value.entries().try_for_each(|entry| self.walk(entry.value, None))?;
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn annotation(
        &mut self,
        schema: Value<'_, '_>,
        value: Value<'_, '_>,
        path: Option<&Vec<String>>,
    ) -> Result<(), ParamError> {
        let path = path.filter(|path| !path.is_empty()).ok_or(ParamError::Unreachable)?;
        let name = value.as_str().filter(|name| is_token(name)).ok_or(ParamError::Name)?;
        let kind = match schema.get("type").and_then(Value::as_str).as_deref() {
            Some("string") => ParamType::Text,
            Some("integer") => ParamType::Integer,
            Some("boolean") => ParamType::Boolean,
            _ => return Err(ParamError::Type),
        };
        let header = format!("{}{name}", header_name::PARAM_PREFIX);
        if self.0.iter().any(|known| known.header.eq_ignore_ascii_case(&header)) {
            return Err(ParamError::Twice);
        }
        if self.0.len() == PARAMS_MAX {
            return Err(ParamError::TooMany);
        }
        self.0.push(Param { path: path.clone(), header, kind });
        Ok(())
    }

    /// Checks the headers of a call of this tool against its arguments. Headers that no annotation names are
    /// left alone; a gate that forwards none but its own ([`ParamHeaders::write`]) need not care for them.
    ///
    /// # Errors
    /// The first broken rule; see [`HeaderMismatch`].
    pub fn check<'h>(
        &self,
        document: &Document<'_>,
        headers: impl IntoIterator<Item = (&'h str, &'h [u8])>,
    ) -> Result<(), HeaderMismatch> {
        let mut found: Vec<Option<&[u8]>> = vec![None; self.0.len()];
        for (header, value) in headers {
            for (param, slot) in self.0.iter().zip(&mut found) {
                if header.eq_ignore_ascii_case(&param.header) {
                    single(slot, value, &param.header)?;
                }
            }
        }
        for (param, given) in self.0.iter().zip(found) {
            let header = || param.header.clone();
            match (param.argument(document), given) {
                (None, None) => {}
                (None, Some(_)) => return Err(HeaderMismatch::Unexpected { header: header() }),
                (Some(_), None) => return Err(HeaderMismatch::Missing { header: header() }),
                (Some(argument), Some(given)) => {
                    let said =
                        decode_value(given).ok_or_else(|| HeaderMismatch::Malformed { header: header() })?;
                    if !param.says(argument, &said) {
                        return Err(HeaderMismatch::Differs { header: header() });
                    }
                }
            }
        }
        Ok(())
    }

    /// The headers of a call of this tool, as they must be sent; all that came under the prefix `Mcp-Param-`
    /// is to be taken out first. `document` is the call as it will be sent.
    #[must_use]
    pub fn write(&self, document: &Document<'_>) -> Vec<(String, String)> {
        let written = self.0.iter().filter_map(|param| {
            let said = rendered(param.argument(document)?)?;
            Some((param.header.clone(), encode_value(&said).into_owned()))
        });
        written.collect()
    }
}

impl Param {
    /// The argument; null counts as absent, as does all else that has no form in a header.
    fn argument<'d, 'a>(&self, document: &'d Document<'a>) -> Option<Value<'d, 'a>> {
        let arguments = document.root().get("params")?.get("arguments")?;
        let value = self.path.iter().try_fold(arguments, |value, key| value.get(key))?;
        rendered(value).is_some().then_some(value)
    }

    fn says(&self, argument: Value<'_, '_>, said: &str) -> bool {
        if self.kind == ParamType::Integer
            && let Some(integer) = integer(argument)
        {
            let (whole, fraction) = said.split_once('.').unwrap_or((said, "0"));
            let digits = whole.strip_prefix('-').unwrap_or(whole);
            let plain = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
            return plain(digits)
                && plain(fraction)
                && fraction.bytes().all(|byte| byte == b'0')
                && whole.parse::<i64>().is_ok_and(|whole| whole == integer);
        }
        rendered(argument).is_some_and(|text| text == said)
    }
}

/// A whole number in the safe range, however it is written.
fn integer(value: Value<'_, '_>) -> Option<i64> {
    let number = value.as_i64().or_else(|| {
        let float = value.as_f64()?;
        if float.fract() != 0.0 || float.abs() > 9_007_199_254_740_991.0 {
            return None;
        }
        format!("{float:.0}").parse().ok()
    })?;
    (-INTEGER_MAX..=INTEGER_MAX).contains(&number).then_some(number)
}

/// A scalar as a header says it; absent for anything that has no such form.
fn rendered(value: Value<'_, '_>) -> Option<String> {
    match value.kind() {
        Kind::String => value.as_str().map(String::from),
        Kind::Bool => value.as_bool().map(|flag| flag.to_string()),
        Kind::Number => integer(value).map(|integer| integer.to_string()),
        Kind::Null | Kind::Array | Kind::Object => None,
    }
}

fn is_token(text: &str) -> bool {
    let fine = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !text.is_empty() && text.len() <= 128 && text.bytes().all(fine)
}

const SINGLE: [&str; 11] = [
    "items",
    "contains",
    "unevaluatedItems",
    "additionalProperties",
    "propertyNames",
    "unevaluatedProperties",
    "not",
    "if",
    "then",
    "else",
    "contentSchema",
];
const LISTS: [&str; 4] = ["allOf", "anyOf", "oneOf", "prefixItems"];
const MAPS: [&str; 4] = ["patternProperties", "dependentSchemas", "$defs", "definitions"];
