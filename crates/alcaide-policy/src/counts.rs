//! What the policies of a slice can tell apart of `context.flow`.
//!
//! Most of what the gate counts changes with every call, and policies only ask whether a count has reached a number.
//! Where a count stands in comparisons with numbers and nowhere else, all its values between two of those numbers
//! give the same decision; so a decision is remembered under the band that a count lies in. A count that is read in
//! any other way is remembered by its value.

use std::sync::Arc;

use cedar_policy_core::ast::{BinaryOp, Expr, ExprKind, Literal, Var};

use crate::ask::Flow;

/// What a slice reads of `context.flow`.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct FlowReads {
    /// One bit for each of [`NAMES`], then one for each of [`FLAGS`].
    said: u32,
    counts: [Counted; COUNTS.len()],
}

#[derive(Clone, Debug, Default, Eq, PartialEq)]
enum Counted {
    #[default]
    Unread,
    /// The numbers that it is compared with, ascending, each once.
    Compared(Vec<i64>),
    Exact,
}

/// Lists of arguments.
const NAMES: [&str; 6] = ["unbound", "copied", "carries", "leaks", "look_alikes", "over"];

/// What is true or false.
const FLAGS: [&str; 6] = ["in_scope", "reaches_out", "own_words", "named", "count_over", "forgotten"];

/// Counts, those of `so_far` last.
const COUNTS: [&str; 10] = [
    "calls",
    "repeats",
    "targets",
    "argument_bytes",
    "so_far.calls",
    "so_far.effects",
    "so_far.read_bytes",
    "so_far.read_records",
    "so_far.tainted_bytes",
    "so_far.tainted_records",
];

impl FlowReads {
    /// What these conditions read between them.
    pub(crate) fn of(conditions: &[Arc<Expr>]) -> Self {
        let mut all = Self::default();
        for condition in conditions {
            all.add(condition);
        }
        for count in &mut all.counts {
            if let Counted::Compared(numbers) = count {
                numbers.sort_unstable();
                numbers.dedup();
            }
        }
        all
    }

    /// Writes what is read of `flow`: equal bytes mean that no condition tells the two apart.
    pub(crate) fn write(&self, flow: &Flow<'_>, into: &mut Vec<u8>) {
        let Flow {
            unbound,
            copied,
            carries,
            leaks,
            look_alikes,
            over,
            in_scope,
            reaches_out,
            own_words,
            named,
            calls,
            count_over,
            repeats,
            targets,
            argument_bytes,
            so_far,
            forgotten,
        } = flow;
        for (at, names) in [unbound, copied, carries, leaks, look_alikes, over].into_iter().enumerate() {
            if self.says(at) {
                into.extend_from_slice(&names.len().to_be_bytes());
                for name in *names {
                    into.extend_from_slice(&name.len().to_be_bytes());
                    into.extend_from_slice(name.as_bytes());
                }
            }
        }
        let flags = [in_scope, reaches_out, own_words, named, count_over, forgotten];
        for (at, flag) in flags.into_iter().enumerate() {
            if self.says(NAMES.len().saturating_add(at)) {
                into.push(u8::from(*flag));
            }
        }
        let counts = [
            u64::from(*calls),
            u64::from(*repeats),
            u64::from(*targets),
            *argument_bytes,
            u64::from(so_far.calls),
            u64::from(so_far.effects),
            so_far.read_bytes,
            so_far.read_records,
            so_far.tainted_bytes,
            so_far.tainted_records,
        ];
        for (count, read) in counts.into_iter().zip(&self.counts) {
            match read {
                Counted::Unread => {}
                Counted::Compared(numbers) => into.extend_from_slice(&band(numbers, count).to_be_bytes()),
                Counted::Exact => into.extend_from_slice(&count.to_be_bytes()),
            }
        }
    }

    fn says(&self, at: usize) -> bool {
        u32::try_from(at).ok().and_then(|at| self.said.checked_shr(at)).is_some_and(|bits| bits & 1 == 1)
    }

    fn read_all(&mut self) {
        self.said = u32::MAX;
        self.counts = std::array::from_fn(|_| Counted::Exact);
    }

    fn add(&mut self, condition: &Expr) {
        // Each of these stands in the expression as often as it is accounted for, or it is used whole.
        let (mut contexts, mut flows, mut so_fars) = (0_isize, 0_isize, 0_isize);
        let mut loose = [0_isize; COUNTS.len()];
        for part in condition.subexpressions() {
            if is_context(part) {
                contexts = contexts.saturating_add(1);
            }
            if is_flow(part) {
                flows = flows.saturating_add(1);
            }
            if is_so_far(part) {
                so_fars = so_fars.saturating_add(1);
            }
            match part.expr_kind() {
                ExprKind::GetAttr { expr, .. }
                | ExprKind::HasAttr { expr, .. }
                | ExprKind::ExtHasAttr { expr, .. } => {
                    contexts = contexts.saturating_sub(isize::from(is_context(expr)));
                    flows = flows.saturating_sub(isize::from(is_flow(expr)));
                    so_fars = so_fars.saturating_sub(isize::from(is_so_far(expr)));
                }
                ExprKind::BinaryApp { op: BinaryOp::Less | BinaryOp::LessEq | BinaryOp::Eq, arg1, arg2 } => {
                    let compared = match (count(arg1), number(arg1), count(arg2), number(arg2)) {
                        (Some(at), _, _, Some(number)) | (_, Some(number), Some(at), _) => Some((at, number)),
                        _ => None,
                    };
                    if let Some((at, number)) = compared
                        && let (Some(loose), Some(count)) = (loose.get_mut(at), self.counts.get_mut(at))
                    {
                        *loose = loose.saturating_sub(1);
                        match count {
                            Counted::Unread => *count = Counted::Compared(vec![number]),
                            Counted::Compared(numbers) => numbers.push(number),
                            Counted::Exact => {}
                        }
                    }
                }
                _ => {}
            }
            if let Some(loose) = count(part).and_then(|at| loose.get_mut(at)) {
                *loose = loose.saturating_add(1);
            }
            if let ExprKind::GetAttr { expr, attr } = part.expr_kind()
                && is_flow(expr)
                && let Some(at) = NAMES.iter().chain(&FLAGS).position(|name| name == attr)
                && let Some(bit) = u32::try_from(at).ok().and_then(|at| 1_u32.checked_shl(at))
            {
                self.said |= bit;
            }
        }
        if contexts != 0 || flows != 0 || so_fars != 0 {
            return self.read_all();
        }
        for (count, loose) in self.counts.iter_mut().zip(loose) {
            if loose != 0 {
                *count = Counted::Exact;
            }
        }
    }
}

/// In which of the bands that the numbers make a count lies: each number is a band of its own.
fn band(numbers: &[i64], count: u64) -> u32 {
    let count = i64::try_from(count).unwrap_or(i64::MAX);
    let below = numbers.partition_point(|number| *number < count);
    let up_to = numbers.partition_point(|number| *number <= count);
    u32::try_from(below.saturating_add(up_to)).unwrap_or(u32::MAX)
}

fn is_context(expr: &Expr) -> bool {
    matches!(expr.expr_kind(), ExprKind::Var(Var::Context))
}

fn is_flow(expr: &Expr) -> bool {
    matches!(expr.expr_kind(), ExprKind::GetAttr { expr, attr } if attr == "flow" && is_context(expr))
}

fn is_so_far(expr: &Expr) -> bool {
    matches!(expr.expr_kind(), ExprKind::GetAttr { expr, attr } if attr == "so_far" && is_flow(expr))
}

/// Which count the expression is.
fn count(expr: &Expr) -> Option<usize> {
    let ExprKind::GetAttr { expr, attr } = expr.expr_kind() else { return None };
    COUNTS.iter().position(|name| match name.strip_prefix("so_far.") {
        Some(name) => name == attr && is_so_far(expr),
        None => name == attr && is_flow(expr),
    })
}

fn number(expr: &Expr) -> Option<i64> {
    match expr.expr_kind() {
        ExprKind::Lit(Literal::Long(number)) => Some(*number),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ask::SoFar;

    fn of(texts: &[&str]) -> FlowReads {
        let conditions: Vec<Arc<Expr>> = texts.iter().map(|text| Arc::new(text.parse().unwrap())).collect();
        FlowReads::of(&conditions)
    }

    fn key(reads: &FlowReads, flow: &Flow<'_>) -> Vec<u8> {
        let mut key = Vec::new();
        reads.write(flow, &mut key);
        key
    }

    fn calls(calls: u32) -> Flow<'static> {
        Flow { calls, repeats: calls, so_far: SoFar { calls, ..SoFar::default() }, ..Flow::default() }
    }

    #[test]
    fn a_count_that_is_only_compared_is_known_by_its_band() {
        let reads =
            of(&["context.flow.calls >= 5 && 9 > context.flow.calls", "context.flow.so_far.calls == 7"]);
        let keys: Vec<_> = (0..12).map(|count| key(&reads, &calls(count))).collect();
        for (a, b, same) in [
            (0, 4, true),
            (4, 5, false),
            (5, 6, false),
            (6, 7, false),
            (7, 8, false),
            (9, 11, false),
            (10, 11, true),
        ] {
            assert_eq!(keys[a] == keys[b], same, "{a} {b}");
        }
        // 5 and 6 differ: 5 is a number that it is compared with.
        assert_eq!(band(&[5, 9], 6), band(&[5, 9], 8));
        assert_ne!(band(&[5], u64::MAX), band(&[5], 5));
    }

    #[test]
    fn a_count_read_in_any_other_way_is_known_by_its_value() {
        for text in [
            "context.flow.calls + 1 > 5",
            "context.flow.calls > context.flow.repeats",
            "[1, 2].contains(context.flow.calls)",
            "context.flow.calls > 5 || context.flow == context.flow",
            "context.flow.so_far == context.flow.so_far",
            "context == {a: 1}",
            "(if context.flow.named then context.flow else context.flow).calls > 5",
        ] {
            let reads = of(&[text]);
            assert_ne!(key(&reads, &calls(10)), key(&reads, &calls(11)), "{text}");
        }
        let reads = of(&["context.flow has calls && context.flow has so_far.calls && context.flow.named"]);
        assert_eq!(key(&reads, &calls(10)), key(&reads, &calls(11)));
    }

    #[test]
    fn what_is_not_read_tells_no_calls_apart_and_what_is_read_does() {
        let one: [Box<str>; 1] = ["to".into()];
        let bound = Flow { named: true, ..Flow::default() };
        let unbound = Flow { unbound: &one, ..bound };
        assert_eq!(key(&of(&["context.flow.named"]), &bound), key(&of(&["context.flow.named"]), &unbound));
        let reads = of(&["!context.flow.unbound.isEmpty()"]);
        assert_ne!(key(&reads, &bound), key(&reads, &unbound));
        assert_eq!(key(&reads, &bound), key(&reads, &Flow::default()));
    }
}
