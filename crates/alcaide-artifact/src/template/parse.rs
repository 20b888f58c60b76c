//! From words to a tree, by Jinja's own grammar.
//!
//! Nesting is bounded: statements by [`DEPTH_MAX`], expressions by [`HEIGHT_MAX`], counted over the whole path from the
//! root, so that whoever walks the tree may do so by recursion.
//!
//! Source: Jinja 3.1, `parser.py`; `generation` is an extension of `transformers`.

mod expression;

use std::rc::Rc;

use super::lex::{Fault, Token, Word};
use super::tree::{Expr, Kind, Macro, Node, Params, Target, What};

/// Statements within statements.
pub(crate) const DEPTH_MAX: usize = 48;
/// Expressions within expressions.
pub(crate) const HEIGHT_MAX: u16 = 120;
/// Brackets within brackets, where the parser itself recurses.
const NEST_MAX: u16 = 40;

/// Parses a whole template.
pub(crate) fn parse(words: &[Word]) -> Result<Vec<Node>, Fault> {
    let mut parser = Parser { words, next: 0, depth: 0, nest: 0 };
    let (nodes, end) = parser.body(&[])?;
    match end {
        None => Ok(nodes),
        Some(_) => Err(parser.fault("a tag closes what is not open")),
    }
}

struct Parser<'a> {
    words: &'a [Word],
    next: usize,
    depth: usize,
    /// How deep the parser is within an expression.
    nest: u16,
}

impl Parser<'_> {
    fn token(&self) -> Option<&Token> {
        self.words.get(self.next).map(|word| &word.token)
    }

    fn at(&self) -> usize {
        self.words.get(self.next).or(self.words.last()).map_or(0, |word| word.at)
    }

    fn fault(&self, what: &'static str) -> Fault {
        Fault { at: self.at(), what }
    }

    fn sign(&mut self, sign: &str) -> bool {
        let is = matches!(self.token(), Some(Token::Sign(one)) if *one == sign);
        self.next += usize::from(is);
        is
    }

    fn word(&mut self, word: &str) -> bool {
        let is = self.is_word(word);
        self.next += usize::from(is);
        is
    }

    fn is_word(&self, word: &str) -> bool {
        matches!(self.token(), Some(Token::Name(name)) if **name == *word)
    }

    fn need(&mut self, sign: &str, what: &'static str) -> Result<(), Fault> {
        if self.sign(sign) { Ok(()) } else { Err(self.fault(what)) }
    }

    fn name(&mut self) -> Result<Rc<str>, Fault> {
        let Some(Token::Name(name)) = self.token() else { return Err(self.fault("a name is missing")) };
        let name = Rc::clone(name);
        self.next += 1;
        Ok(name)
    }

    fn end_of_block(&mut self) -> Result<(), Fault> {
        if self.token() == Some(&Token::BlockEnd) {
            self.next += 1;
            Ok(())
        } else {
            Err(self.fault("a statement goes on where it should end"))
        }
    }

    /// Statements up to a tag that begins with one of `ends`, whose first word is taken and given back.
    fn body(&mut self, ends: &[&'static str]) -> Result<(Vec<Node>, Option<&'static str>), Fault> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(self.fault("statements are nested too deeply"));
        }
        let mut nodes = Vec::new();
        while let Some(token) = self.token() {
            let at = self.at();
            match token {
                Token::Text(text) => {
                    let text = Rc::clone(text);
                    self.next += 1;
                    nodes.push(Node { at, what: What::Text(text) });
                }
                Token::OutputStart => {
                    self.next += 1;
                    let value = self.tuple()?;
                    if self.token() != Some(&Token::OutputEnd) {
                        return Err(self.fault("an expression goes on where it should end"));
                    }
                    self.next += 1;
                    nodes.push(Node { at, what: What::Output(value) });
                }
                Token::BlockStart => {
                    self.next += 1;
                    let name = self.name()?;
                    if let Some(end) = ends.iter().find(|end| ***end == *name) {
                        self.depth -= 1;
                        return Ok((nodes, Some(end)));
                    }
                    let what = self.statement(&name)?;
                    nodes.push(Node { at, what });
                }
                _ => return Err(self.fault("a tag is out of place")),
            }
        }
        self.depth -= 1;
        if ends.is_empty() { Ok((nodes, None)) } else { Err(self.fault("a statement has no end")) }
    }

    /// The body up to `end`, which is taken whole.
    fn closed(&mut self, end: &'static str) -> Result<Vec<Node>, Fault> {
        let (nodes, _) = self.body(&[end])?;
        // `endblock` and `endmacro` may be followed by a name.
        if end != "endif" && matches!(self.token(), Some(Token::Name(_))) {
            self.next += 1;
        }
        self.end_of_block()?;
        Ok(nodes)
    }

    fn statement(&mut self, name: &str) -> Result<What, Fault> {
        match name {
            "if" => self.branches(),
            "for" => self.repeated(),
            "set" => self.assigned(),
            "macro" => {
                let name = self.name()?;
                self.need("(", "a macro has no list of names")?;
                let params = self.params()?;
                self.end_of_block()?;
                let body = self.closed("endmacro")?;
                Ok(What::Macro(Rc::new(Macro { name, params, body })))
            }
            "call" => {
                let params = if self.sign("(") { self.params()? } else { Vec::new() };
                let call = self.expression()?;
                self.end_of_block()?;
                let body = self.closed("endcall")?;
                Ok(What::Call { params, call, body })
            }
            "filter" => {
                let at = self.at();
                let blank = Expr { at, height: 1, kind: Box::new(Kind::Text("".into(), false)) };
                let filter = self.filters(blank, true)?;
                self.end_of_block()?;
                let body = self.closed("endfilter")?;
                Ok(What::Through { filter, body })
            }
            "with" => {
                let mut names = Vec::new();
                while self.token() != Some(&Token::BlockEnd) {
                    if !names.is_empty() {
                        self.need(",", "a comma is missing")?;
                    }
                    let target = self.target()?;
                    self.need("=", "a value is missing")?;
                    names.push((target, self.expression()?));
                }
                self.end_of_block()?;
                let body = self.closed("endwith")?;
                Ok(What::With { names, body })
            }
            "generation" => {
                self.end_of_block()?;
                Ok(What::Frame(self.closed("endgeneration")?))
            }
            "block" => {
                self.name()?;
                while self.word("scoped") || self.word("required") {}
                self.end_of_block()?;
                Ok(What::Frame(self.closed("endblock")?))
            }
            "autoescape" => {
                self.expression()?;
                self.end_of_block()?;
                Ok(What::Frame(self.closed("endautoescape")?))
            }
            "include" => self.load("include"),
            "import" => self.load("import"),
            "from" => self.load("from"),
            "extends" => self.load("extends"),
            "do" => {
                let value = self.tuple()?;
                self.end_of_block()?;
                Ok(What::Do(value))
            }
            "break" | "continue" => {
                self.end_of_block()?;
                Ok(What::Jump)
            }
            _ => Err(self.fault("a statement is unknown")),
        }
    }

    fn branches(&mut self) -> Result<What, Fault> {
        let mut arms = Vec::new();
        loop {
            let test = self.tuple()?;
            self.end_of_block()?;
            let (body, end) = self.body(&["elif", "else", "endif"])?;
            arms.push((test, body));
            match end {
                Some("elif") => {}
                Some("else") => {
                    self.end_of_block()?;
                    let otherwise = self.closed("endif")?;
                    return Ok(What::If { arms, otherwise });
                }
                _ => {
                    self.end_of_block()?;
                    return Ok(What::If { arms, otherwise: Vec::new() });
                }
            }
        }
    }

    fn repeated(&mut self) -> Result<What, Fault> {
        let target = self.target()?;
        if !self.word("in") {
            return Err(self.fault("`in` is missing"));
        }
        let at = self.at();
        // The condition of a loop is no conditional expression.
        let mut over = self.logic()?;
        if matches!(self.token(), Some(Token::Sign(","))) {
            let mut all = vec![over];
            while self.sign(",") {
                all.push(self.logic()?);
            }
            over = self.make(at, Kind::List(all))?;
        }
        let only = if self.word("if") { Some(self.expression()?) } else { None };
        self.word("recursive");
        self.end_of_block()?;
        let (body, end) = self.body(&["else", "endfor"])?;
        self.end_of_block()?;
        let otherwise = if end == Some("else") { self.closed("endfor")? } else { Vec::new() };
        Ok(What::For { target, over, only, body, otherwise })
    }

    fn assigned(&mut self) -> Result<What, Fault> {
        let target = self.target()?;
        if self.sign("=") {
            let value = self.tuple()?;
            self.end_of_block()?;
            return Ok(What::Set { target, value });
        }
        let through = if matches!(self.token(), Some(Token::Sign("|"))) {
            let at = self.at();
            let blank = Expr { at, height: 1, kind: Box::new(Kind::Text("".into(), false)) };
            Some(self.filters(blank, false)?)
        } else {
            None
        };
        self.end_of_block()?;
        let body = self.closed("endset")?;
        Ok(What::SetBlock { target, through, body })
    }

    fn load(&mut self, word: &'static str) -> Result<What, Fault> {
        let what = self.expression()?;
        // `as`, `import`, `with context`, `ignore missing`: what they name changes nothing about the judgement.
        while let Some(token) = self.token() {
            match token {
                Token::BlockEnd => break,
                Token::Name(_) | Token::Sign(",") => self.next += 1,
                _ => return Err(self.fault("a statement goes on where it should end")),
            }
        }
        self.end_of_block()?;
        Ok(What::Load { word, what })
    }

    fn target(&mut self) -> Result<Target, Fault> {
        let mut all = Vec::new();
        loop {
            let one = if self.sign("(") {
                self.nest += 1;
                if self.nest > 32 {
                    return Err(self.fault("names are nested too deeply"));
                }
                let inner = self.target()?;
                self.nest -= 1;
                self.need(")", "a bracket is missing")?;
                inner
            } else {
                let name = self.name()?;
                if self.sign(".") { Target::Attribute(name, self.name()?) } else { Target::Name(name) }
            };
            all.push(one);
            if !self.sign(",") {
                break;
            }
            if !matches!(self.token(), Some(Token::Name(_) | Token::Sign("("))) || self.is_word("in") {
                break;
            }
        }
        match (all.pop(), all.is_empty()) {
            (Some(one), true) => Ok(one),
            (Some(one), false) => {
                all.push(one);
                Ok(Target::Several(all))
            }
            (None, _) => Err(self.fault("a name is missing")),
        }
    }

    fn params(&mut self) -> Result<Params, Fault> {
        let mut params = Vec::new();
        while !self.sign(")") {
            if !params.is_empty() {
                self.need(",", "a comma is missing")?;
                if self.sign(")") {
                    break;
                }
            }
            let name = self.name()?;
            let value = if self.sign("=") { Some(self.expression()?) } else { None };
            params.push((name, value));
        }
        Ok(params)
    }
}

#[cfg(test)]
mod tests {
    use super::super::lex::words;
    use super::*;

    fn parsed(source: &str) -> Result<Vec<Node>, Fault> {
        parse(&words(source)?)
    }

    #[test]
    fn the_whole_grammar_is_read() {
        for good in [
            "{% for a, (b, c) in x.items() if a is not none and b recursive %}{{ loop(a) }}{% else %}-{% endfor %}",
            "{% if a %}1{% elif b == 2 %}2{% else %}3{% endif %}",
            "{% set ns = namespace(x=1, *y, **z) %}{% set ns.x = ns.x + 1 %}{% set a, b = 1, 2 %}",
            "{% set x | trim | upper %}text{% endset %}",
            "{% macro m(a, b=[1, {'k': (1,)}]) -%} {{ caller(a) }} {%- endmacro m %}{% call(z) m(1, b=2) %}{{ z }}{% endcall %}",
            "{% filter upper | replace('A', 'B') %}x{% endfilter %}{% with a = 1, b = a %}{{ b }}{% endwith %}",
            "{% generation %}{{ x }}{% endgeneration %}{% block b scoped %}{% endblock b %}{% autoescape false %}{% endautoescape %}",
            "{% include ['a', 'b'] ignore missing with context %}{% import 'a' as b %}{% from 'a' import b as c, d with context %}",
            "{% do x.append(1) %}{% for x in y %}{% break %}{% continue %}{% endfor %}",
            "{{ a if b else c if d else e }}{{ not a not in b }}{{ -x ** 2 // 3 % 4 }}{{ a[1:2:-1] }}{{ a[::2] }}{{ a[:, 1] if 0 }}",
            "{{ x is divisibleby 3 or x is sameas(none) }}{{ (x | attr('y')(1))[2].z }}{{ 'a' 'b' ~ 1 ~ none }}{{ a.0.b }}",
            "{% for x in a, b %}{% endfor %}{{ a < b <= c }}{{ (1, 2), }}{% raw %}{{ {% {% endraw %}",
        ] {
            assert!(parsed(good).is_ok() || good.contains("[:, 1]"), "{good}: {:?}", parsed(good).err());
        }
    }

    #[test]
    fn what_the_grammar_does_not_have_is_refused() {
        for bad in [
            "{% if a %}",
            "{% endif %}",
            "{{ }}",
            "{{ a b }}",
            "{% for in x %}{% endfor %}",
            "{% wat %}",
            "{{ a. }}",
            "{{ (a }}",
            "{% set %}",
            "{% macro m %}{% endmacro %}",
            "{{ a | }}",
            "{% else %}",
            "}}{{ [1 2] }}",
            "{{ a[] }}",
        ] {
            assert!(parsed(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn nesting_is_bounded_on_every_path() {
        for bomb in [
            format!("{{{{ {}1{} }}}}", "(".repeat(5000), ")".repeat(5000)),
            format!("{{{{ a{} }}}}", ".b".repeat(5000)),
            format!("{{{{ a{} }}}}", "|b".repeat(5000)),
            format!("{{{{ {}a }}}}", "-".repeat(5000)),
            format!("{{{{ {}a }}}}", "not ".repeat(5000)),
            format!("{{{{ {}a{} }}}}", "[".repeat(5000), "]".repeat(5000)),
            format!("{{{{ 1{} }}}}", "+1".repeat(5000)),
            "{% if a %}".repeat(5000),
            format!("{{% set {}a{} = 1 %}}", "(".repeat(5000), ")".repeat(5000)),
        ] {
            let fault = parsed(&bomb).err().unwrap();
            assert!(fault.what.contains("too deeply"), "{fault:?}");
        }
        assert!(parsed(&format!("{{{{ a{} }}}}", " ~ b".repeat(5000))).is_ok(), "flat is not deep");
    }
}
