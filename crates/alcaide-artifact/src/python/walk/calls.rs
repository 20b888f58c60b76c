//! What a call does, when it is reached, and what it gives.

use super::super::effects::{Effect, effect, tail};
use super::super::parse::What;
use super::sign::{CALLERS, INERT, Sign, each, is_sharp, member, method_of_text, rot13, unbase64, unhex};
use super::{Trust, Walker, When, judge};
use crate::rules::formats as rules;
use crate::scanner::shown;

impl Walker<'_> {
    /// A call: what it does is told, what it gives is followed.
    pub(super) fn called(
        &mut self,
        at: usize,
        target: &Sign,
        plain: &[Sign],
        named: &[(&str, Sign)],
    ) -> Sign {
        // What is handed over may be called by what it is handed to.
        for sign in plain.iter().chain(named.iter().map(|(_, sign)| sign)) {
            if let Sign::Path(path) = sign {
                if effect(path) == Some(Effect::Runs)
                    && !matches!(target, Sign::Path(target) if target.starts_with("builtins.") && INERT.contains(&target.as_str()))
                {
                    self.does(at, path, Effect::Runs, &[]);
                } else if let Some(name) = path.strip_prefix("self.")
                    && self.when == When::Now
                    && matches!(target, Sign::Path(target) if CALLERS.iter().any(|caller| target == caller))
                {
                    match name.strip_prefix("lambda@").and_then(|at| at.parse().ok()) {
                        Some(at) => {
                            self.call_lambda(at);
                        }
                        None => self.call_own(name),
                    }
                }
            }
        }
        let Sign::Path(path) = target else { return self.of_value(target, plain) };
        if let Some(at) = path.strip_prefix("self.lambda@").and_then(|at| at.parse().ok()) {
            return self.call_lambda(at);
        }
        if let Some(name) = path.strip_prefix("self.") {
            let name = name.to_owned();
            self.call_own(&name);
            return Sign::Unknown;
        }
        // `attrgetter("name")(module)` is an attribute, `methodcaller("name")(module)` a call of it.
        if let (Some(name), [of, ..]) = (path.strip_prefix("getter:"), plain) {
            return name.split('.').fold(of.clone(), |of, name| member(&of, name));
        }
        if let (Some(name), [of, ..]) = (path.strip_prefix("caller:"), plain) {
            let method = member(of, name);
            // One that calls one that calls: whatever it ends in, this is not followed.
            if matches!(&method, Sign::Path(path) if path.starts_with("caller:")) {
                return Sign::Unknown;
            }
            return self.called(at, &method, plain.get(1..).unwrap_or_default(), named);
        }
        // An entry of several that were put together: whichever it is.
        if let Some((several, "get" | "pop" | "setdefault" | "__getitem__" | "copy" | "values")) =
            path.rsplit_once('.')
            && effect(several) == Some(Effect::Runs)
        {
            return Sign::Path(several.to_owned());
        }
        if let Some((text, method)) = path.strip_prefix("text:").and_then(|rest| rest.rsplit_once('.')) {
            return method_of_text(text, method, plain);
        }
        match (tail(path).unwrap_or(path), plain) {
            ("builtins.getattr", [of, Sign::Text(name), ..]) => return member(of, name),
            ("builtins.getattr", [Sign::Path(of), _, ..]) if is_sharp(of) => {
                self.hidden(at, format!("an attribute of `{}` by a name that is computed", shown(of)));
                return Sign::Unknown;
            }
            (
                "builtins.__import__" | "importlib.import_module" | "importlib.__import__",
                [Sign::Text(module), ..],
            ) => {
                return Sign::Path(module.clone());
            }
            (
                "builtins.__import__" | "importlib.import_module" | "importlib.__import__",
                [Sign::Decoded, ..],
            ) => {
                self.hidden(at, "a module whose name is decoded".to_owned());
                return Sign::Unknown;
            }
            // Finders of what a dotted path names.
            (
                "pydoc.locate"
                | "pkgutil.resolve_name"
                | "hydra.utils.get_method"
                | "hydra.utils.get_class"
                | "hydra.utils.get_object"
                | "hydra._internal.utils._locate"
                | "django.utils.module_loading.import_string"
                | "werkzeug.utils.import_string",
                [Sign::Text(path), ..],
            ) => return Sign::Path(path.replace(':', ".")),
            ("operator.attrgetter", [Sign::Text(name)]) => return Sign::Path(format!("getter:{name}")),
            ("operator.methodcaller", [Sign::Text(name), ..]) => return Sign::Path(format!("caller:{name}")),
            ("builtins.globals" | "builtins.locals", []) => return Sign::Path("self.__names__".to_owned()),
            ("builtins.vars", [Sign::Path(of)]) => return Sign::Path(format!("{of}.__dict__")),
            ("builtins.chr", [Sign::Number(code)]) => {
                return u32::try_from(*code)
                    .ok()
                    .and_then(char::from_u32)
                    .map_or(Sign::Unknown, |one| Sign::Text(one.to_string()));
            }
            ("builtins.str" | "builtins.bytes" | "builtins.bytearray", [text @ Sign::Text(_), ..]) => {
                return text.clone();
            }
            ("builtins.bytes" | "builtins.bytearray", [Sign::List(all)]) => {
                let bytes: Option<Vec<u8>> = all
                    .iter()
                    .map(|one| match one {
                        Sign::Number(number) => u8::try_from(*number).ok(),
                        _ => None,
                    })
                    .collect();
                return bytes
                    .map_or(Sign::Decoded, |bytes| Sign::Text(String::from_utf8_lossy(&bytes).into_owned()));
            }
            (
                "builtins.bytes.fromhex"
                | "builtins.bytearray.fromhex"
                | "binascii.unhexlify"
                | "binascii.a2b_hex",
                [Sign::Text(text)],
            ) => {
                return unhex(text).map_or(Sign::Decoded, Sign::Text);
            }
            (
                "base64.b64decode"
                | "base64.urlsafe_b64decode"
                | "base64.standard_b64decode"
                | "base64.decodebytes"
                | "binascii.a2b_base64",
                [Sign::Text(text), ..],
            ) => {
                return unbase64(text).map_or(Sign::Decoded, Sign::Text);
            }
            ("codecs.decode", [Sign::Text(text), Sign::Text(how)]) => {
                return match how.replace(['-', '_'], "").to_ascii_lowercase().as_str() {
                    "rot13" => Sign::Text(rot13(text)),
                    "hex" | "hexcodec" => unhex(text).map_or(Sign::Decoded, Sign::Text),
                    "base64" | "base64codec" => unbase64(text).map_or(Sign::Decoded, Sign::Text),
                    _ => Sign::Decoded,
                };
            }
            ("builtins.map", [Sign::Path(of), Sign::List(all)]) if of == "builtins.chr" => {
                return Sign::List(
                    all.iter()
                        .map(|one| match one {
                            Sign::Number(code) => u32::try_from(*code)
                                .ok()
                                .and_then(char::from_u32)
                                .map_or(Sign::Unknown, |one| Sign::Text(one.to_string())),
                            _ => Sign::Unknown,
                        })
                        .collect(),
                );
            }
            ("builtins.reversed", [Sign::Text(text)]) => return Sign::Text(text.chars().rev().collect()),
            ("functools.partial", [of, ..]) => return of.clone(),
            ("operator.getitem", [of, ..]) => return each(of),
            ("builtins.compile", [code, ..]) => return code.clone(),
            ("builtins.open", _) => {
                let mode =
                    plain.get(1).or(named.iter().find(|(name, _)| *name == "mode").map(|(_, sign)| sign));
                if self.when == When::Now
                    && matches!(mode, Some(Sign::Text(mode)) if mode.contains(['w', 'a', 'x', '+']))
                {
                    self.say(at, &rules::PYTHON_EFFECT, "it writes a file when it is imported".to_owned());
                }
                return Sign::FromFile;
            }
            _ => {}
        }
        let decoders = [
            "base64.",
            "binascii.",
            "zlib.",
            "bz2.",
            "lzma.",
            "gzip.",
            "codecs.",
            "cryptography.",
            "Crypto.",
        ];
        if decoders.iter().any(|module| path.starts_with(module)) {
            return Sign::Decoded;
        }
        if let Some(found) = effect(path) {
            let safe = match path.as_str() {
                "torch.load" => named.iter().any(|(name, value)| *name == "weights_only" && *value == Sign::Path("builtins.True".to_owned())),
                "yaml.load" => named.iter().map(|(_, value)| value).chain(plain.get(1)).any(|value| matches!(value, Sign::Path(path) if path.contains("SafeLoader") || path.contains("BaseLoader"))),
                _ => false,
            };
            if !safe {
                self.does(at, path, found, plain);
            }
        }
        if path == "numpy.load"
            && named.iter().any(|(name, value)| {
                *name == "allow_pickle" && *value == Sign::Path("builtins.True".to_owned())
            })
        {
            self.does(at, path, Effect::Unpickles, plain);
        }
        Sign::Unknown
    }

    /// The body of a lambda, at the time of the call.
    fn call_lambda(&mut self, at: usize) -> Sign {
        let Some(body) = self.lambdas.get(&at).copied() else { return Sign::Unknown };
        if !self.active.insert(at) {
            return Sign::Unknown;
        }
        let sign = self.value(body);
        self.active.remove(&at);
        sign
    }

    pub(super) fn call_own(&mut self, name: &str) {
        if let Some(body) = self.functions.get(name).copied() {
            self.enter(name, body, self.when);
        }
        if let Some(body) = self.classes.get(name).copied() {
            for statement in body {
                if let What::Function { name, body, .. } = &statement.what
                    && matches!(
                        name.as_str(),
                        "__init__" | "__new__" | "__post_init__" | "__call__" | "__enter__"
                    )
                {
                    self.enter(name, body, self.when);
                }
            }
        }
    }

    /// A method of something that is no path.
    pub(super) fn of_value(&mut self, target: &Sign, _plain: &[Sign]) -> Sign {
        match target {
            Sign::Decoded => Sign::Decoded,
            Sign::FromFile => Sign::FromFile,
            _ => Sign::Unknown,
        }
    }

    pub(super) fn hidden(&mut self, at: usize, words: String) {
        self.say(at, &rules::PYTHON_HIDDEN, words);
    }

    pub(super) fn does(&mut self, at: usize, path: &str, found: Effect, plain: &[Sign]) {
        let words = format!("`{}` {}", shown(path), found.as_str());
        // A shell that is given what no honest program gives it is one whenever it is reached.
        if found == Effect::Runs
            && let Some(line) = plain.first().and_then(command)
            && let Some((rule, what)) = crate::repository::commands(&line).into_iter().next()
        {
            self.say(at, rule, what);
        }
        let evaluates = matches!(path, "builtins.eval" | "builtins.exec");
        if evaluates {
            match plain.first() {
                Some(Sign::Decoded) => return self.hidden(at, format!("{words} that is decoded")),
                Some(Sign::FromFile) => {
                    return self.say(at, &rules::PYTHON_UNCLEAR, format!("{words} from a file beside it"));
                }
                Some(Sign::Text(code)) => {
                    let inner = judge(
                        code,
                        if self.when == When::Now { Trust::Imported } else { Trust::ByHand },
                        self.fuel,
                    );
                    if code.len() < 200 && inner.is_empty() && self.when != When::Now {
                        return;
                    }
                }
                _ => {}
            }
        }
        match (self.when, found) {
            (When::Now, Effect::Runs) => self.say(at, &rules::PYTHON_NOW, words),
            (When::Now, Effect::Network | Effect::Unpickles | Effect::Native) => {
                self.say(at, &rules::PYTHON_EFFECT, words)
            }
            (When::Now, Effect::Files) => self.say(at, &rules::PYTHON_EFFECT, words),
            (When::Use | When::Later, Effect::Runs) if evaluates => {
                self.say(at, &rules::PYTHON_UNCLEAR, words)
            }
            (When::Use | When::Later, Effect::Runs) => self.say(at, &rules::PYTHON_LATER, words),
            (When::Run, Effect::Runs) => self.say(at, &rules::PYTHON_UNCLEAR, words),
            (When::Use, Effect::Unpickles | Effect::Native) if path != "torch.load" => {
                self.say(at, &rules::PYTHON_UNCLEAR, words)
            }
            (When::Use, Effect::Network) => self.say(at, &rules::PYTHON_UNCLEAR, words),
            _ => {}
        }
    }
}

/// The line that a shell is given, as a text or in parts.
fn command(sign: &Sign) -> Option<String> {
    match sign {
        Sign::Text(text) => Some(text.clone()),
        Sign::List(all) => {
            let parts: Vec<&str> = all
                .iter()
                .map(|one| match one {
                    Sign::Text(text) => text.as_str(),
                    _ => "",
                })
                .collect();
            Some(parts.join(" "))
        }
        _ => None,
    }
}
