//! What a template says, as a tree.

use std::rc::Rc;

/// A statement or text, with the byte where it begins.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) at: usize,
    pub(crate) what: What,
}

#[derive(Clone, Debug)]
pub(crate) enum What {
    Text(Rc<str>),
    Output(Expr),
    If {
        arms: Vec<(Expr, Vec<Node>)>,
        otherwise: Vec<Node>,
    },
    For {
        target: Target,
        over: Expr,
        only: Option<Expr>,
        body: Vec<Node>,
        otherwise: Vec<Node>,
    },
    Set {
        target: Target,
        value: Expr,
    },
    SetBlock {
        target: Target,
        through: Option<Expr>,
        body: Vec<Node>,
    },
    Macro(Rc<Macro>),
    Call {
        params: Params,
        call: Expr,
        body: Vec<Node>,
    },
    Through {
        filter: Expr,
        body: Vec<Node>,
    },
    With {
        names: Vec<(Target, Expr)>,
        body: Vec<Node>,
    },
    /// A part that is only a frame: `generation`, `block`, `autoescape`.
    Frame(Vec<Node>),
    /// `include`, `import`, `from`, `extends`.
    Load {
        word: &'static str,
        what: Expr,
    },
    Do(Expr),
    /// `break` or `continue`.
    Jump,
}

/// Names of what a macro takes, with usual values.
pub(crate) type Params = Vec<(Rc<str>, Option<Expr>)>;

#[derive(Debug)]
pub(crate) struct Macro {
    pub(crate) name: Rc<str>,
    pub(crate) params: Params,
    pub(crate) body: Vec<Node>,
}

/// What is assigned to.
#[derive(Clone, Debug)]
pub(crate) enum Target {
    Name(Rc<str>),
    /// `ns.name`.
    Attribute(Rc<str>, Rc<str>),
    Several(Vec<Target>),
}

/// An expression, with the byte where it begins and how high its tree is.
#[derive(Clone, Debug)]
pub(crate) struct Expr {
    pub(crate) at: usize,
    pub(crate) height: u16,
    pub(crate) kind: Box<Kind>,
}

#[derive(Clone, Debug)]
pub(crate) enum Kind {
    /// The text, and whether letters of it are written as escapes.
    Text(Rc<str>, bool),
    Int(i64),
    Float,
    Bool(bool),
    None,
    Name(Rc<str>),
    /// A list or a tuple.
    List(Vec<Expr>),
    Dict(Vec<(Expr, Expr)>),
    Attribute(Expr, Rc<str>),
    Item(Expr, Expr),
    Slice(Expr, [Option<Expr>; 3]),
    Call(Expr, Args),
    Filter(Expr, Rc<str>, Args),
    Test {
        of: Expr,
        name: Rc<str>,
        args: Args,
    },
    Not(Expr),
    Sign(Expr, bool),
    /// `~`, which makes texts.
    Join(Vec<Expr>),
    Math(Op, Expr, Expr),
    Compare(Expr, Vec<(Relation, Expr)>),
    /// `and` and `or`.
    Logic(Vec<Expr>),
    Cond {
        value: Expr,
        test: Expr,
        otherwise: Option<Expr>,
    },
}

/// Arguments of a call, a filter or a test; `*` and `**` are kept as plain values.
#[derive(Clone, Debug, Default)]
pub(crate) struct Args {
    pub(crate) plain: Vec<Expr>,
    pub(crate) named: Vec<(Rc<str>, Expr)>,
    /// Whether some are spread out of a value.
    pub(crate) spread: bool,
}

impl Args {
    pub(crate) fn all(&self) -> impl Iterator<Item = &Expr> {
        self.plain.iter().chain(self.named.iter().map(|(_, value)| value))
    }
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Op {
    Add,
    Sub,
    Mul,
    Div,
    Floor,
    Rest,
    Power,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Relation {
    Equal,
    Differs,
    Order,
    In,
    NotIn,
}

impl Kind {
    /// What it is made of.
    pub(crate) fn parts(&self) -> Vec<&Expr> {
        match self {
            Self::Text(..) | Self::Int(_) | Self::Float | Self::Bool(_) | Self::None | Self::Name(_) => {
                Vec::new()
            }
            Self::List(all) | Self::Join(all) | Self::Logic(all) => all.iter().collect(),
            Self::Dict(pairs) => pairs.iter().flat_map(|(key, value)| [key, value]).collect(),
            Self::Attribute(of, _) | Self::Not(of) | Self::Sign(of, _) => vec![of],
            Self::Item(of, by) | Self::Math(_, of, by) => vec![of, by],
            Self::Slice(of, bounds) => std::iter::once(of).chain(bounds.iter().flatten()).collect(),
            Self::Call(of, args) | Self::Filter(of, _, args) | Self::Test { of, args, .. } => {
                std::iter::once(of).chain(args.all()).collect()
            }
            Self::Compare(first, rest) => {
                std::iter::once(first).chain(rest.iter().map(|(_, one)| one)).collect()
            }
            Self::Cond { value, test, otherwise } => [value, test].into_iter().chain(otherwise).collect(),
        }
    }
}
