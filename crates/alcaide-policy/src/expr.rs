//! What a condition reads, and the conditions that it is a conjunction of.

use std::sync::Arc;

use cedar_policy_core::ast::{Expr, ExprKind, Literal, Var};

/// A set of attributes of `context`.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Reads(u32);

/// Names of the attributes of `context`; the place in the list is the bit in [`Reads`].
pub(crate) const ATTRIBUTES: [&str; 21] = [
    "human",
    "earlier_agents",
    "hops",
    "chain_active",
    "task",
    "findings",
    "found",
    "approved_by",
    "approved_roles",
    "budget_used",
    "user_words",
    "unix_time",
    "hour",
    "weekday",
    "args",
    "args_from",
    "uninspected",
    "key_bound",
    "tool_changed",
    "flow",
    "model",
];

impl Reads {
    pub(crate) const HUMAN: Self = Self(1);
    pub(crate) const EARLIER_AGENTS: Self = Self(1 << 1);
    pub(crate) const HOPS: Self = Self(1 << 2);
    pub(crate) const CHAIN_ACTIVE: Self = Self(1 << 3);
    pub(crate) const TASK: Self = Self(1 << 4);
    pub(crate) const FINDINGS: Self = Self(1 << 5);
    pub(crate) const FOUND: Self = Self(1 << 6);
    pub(crate) const APPROVED_BY: Self = Self(1 << 7);
    pub(crate) const APPROVED_ROLES: Self = Self(1 << 8);
    pub(crate) const BUDGET_USED: Self = Self(1 << 9);
    pub(crate) const USER_WORDS: Self = Self(1 << 10);
    pub(crate) const UNIX_TIME: Self = Self(1 << 11);
    pub(crate) const HOUR: Self = Self(1 << 12);
    pub(crate) const WEEKDAY: Self = Self(1 << 13);
    pub(crate) const ARGS: Self = Self(1 << 14);
    pub(crate) const ARGS_FROM: Self = Self(1 << 15);
    pub(crate) const UNINSPECTED: Self = Self(1 << 16);
    pub(crate) const KEY_BOUND: Self = Self(1 << 17);
    pub(crate) const TOOL_CHANGED: Self = Self(1 << 18);
    pub(crate) const FLOW: Self = Self(1 << 19);
    pub(crate) const MODEL: Self = Self(1 << 20);
    pub(crate) const NONE: Self = Self(0);
    pub(crate) const ALL: Self = Self((1 << 21) - 1);

    pub(crate) const fn has(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    pub(crate) const fn is_empty(self) -> bool {
        self.0 == 0
    }

    pub(crate) const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub(crate) fn of_name(name: &str) -> Self {
        let at = ATTRIBUTES.iter().position(|known| *known == name);
        // INVARIANT: there are 21 names, so the shift stays below 32.
        at.and_then(|at| u32::try_from(at).ok()).and_then(|at| 1_u32.checked_shl(at)).map_or(Self::NONE, Self)
    }
}

/// The attributes of `context` that the expression can read: all of them where `context` stands by itself.
///
/// Names that no call has are left out: they are absent whether or not they are projected.
pub(crate) fn reads(expr: &Expr) -> Reads {
    let mut found = Reads::NONE;
    let (mut seen, mut accounted) = (0_usize, 0_usize);
    for part in expr.subexpressions() {
        let name = match part.expr_kind() {
            ExprKind::Var(Var::Context) => {
                seen = seen.saturating_add(1);
                continue;
            }
            ExprKind::GetAttr { expr, attr } | ExprKind::HasAttr { expr, attr } if is_context(expr) => {
                attr.as_str()
            }
            ExprKind::ExtHasAttr { expr, attrs } if is_context(expr) => attrs.first().as_str(),
            _ => continue,
        };
        accounted = accounted.saturating_add(1);
        found = found.with(Reads::of_name(name));
    }
    if seen == accounted { found } else { Reads::ALL }
}

/// Whether the expression depends on `context` at all.
pub(crate) fn is_of_context(expr: &Expr) -> bool {
    expr.subexpressions().any(is_context)
}

fn is_context(expr: &Expr) -> bool {
    matches!(expr.expr_kind(), ExprKind::Var(Var::Context))
}

/// Whether an action stands in the expression by name.
pub(crate) fn mentions_action(expr: &Expr) -> bool {
    expr.subexpressions()
        .any(|part| matches!(part.expr_kind(), ExprKind::Lit(Literal::EntityUID(uid)) if uid.is_action()))
}

/// Splits `a && b && c` into its parts, in the order of evaluation. Evaluating them one after the other and stopping
/// at the first that is false or fails is what Cedar's `&&` does.
pub(crate) fn conjuncts(expr: &Arc<Expr>) -> Vec<Arc<Expr>> {
    let mut parts = Vec::new();
    let mut open = vec![Arc::clone(expr)];
    while let Some(next) = open.pop() {
        if let ExprKind::And { left, right } = next.expr_kind() {
            open.push(Arc::clone(right));
            open.push(Arc::clone(left));
        } else {
            parts.push(next);
        }
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Expr {
        text.parse().unwrap()
    }

    fn of(text: &str) -> Reads {
        reads(&parse(text))
    }

    #[test]
    fn each_attribute_has_its_bit() {
        let mut all = Reads::NONE;
        for (at, name) in ATTRIBUTES.iter().enumerate() {
            assert_eq!(of(&format!("context.{name}")), Reads(1 << at), "{name}");
            assert_eq!(of(&format!("context has {name}")), Reads(1 << at), "{name}");
            all = all.with(of(&format!("context has {name}.x")));
        }
        assert_eq!(all, Reads::ALL);
        assert_eq!(of("context.tool_changed"), Reads::TOOL_CHANGED);
        assert_eq!(of("context.args.x > context.hour"), Reads::ARGS.with(Reads::HOUR));
    }

    #[test]
    fn context_by_itself_reads_everything() {
        assert_eq!(of("context == {a: 1}"), Reads::ALL);
        assert_eq!(of("(if principal.x then context else {hour: 1}).hour > 2"), Reads::ALL);
        assert_eq!(of("principal.hour > 2"), Reads::NONE);
    }

    #[test]
    fn a_conjunction_falls_into_its_parts_in_order() {
        let expr = Arc::new(parse("(1 == 1 && 2 == 2) && (3 == 3 && (4 == 4 || 5 == 5))"));
        let parts: Vec<_> = conjuncts(&expr).iter().map(ToString::to_string).collect();
        assert_eq!(parts, ["1 == 1", "2 == 2", "3 == 3", "(4 == 4) || (5 == 5)"]);
    }
}
