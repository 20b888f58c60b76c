//! Goes through the policies one by one, as the gate does, and keeps what each said.

use std::collections::HashMap;
use std::sync::Arc;

use alcaide_inventory::PolicyId;
use cedar_policy_core::ast::{EntityUID, EntityUIDEntry, Request};

use super::words::{Reader, clause_of};
use super::{Article, Considered, Hindsight, Lost, Verdict};
use crate::ask::Ask;
use crate::compile::Compiled;
use crate::expr::Reads;
use crate::house::{ActorFacts, Placed};
use crate::slice::{ARGS_UNFIT, Judge, Match, Miss};
use crate::source::{Condition, Statute};

/// What one policy came to.
struct Said<'s> {
    verdict: Verdict,
    /// The conditions that were looked at last: all of them where it matched.
    about: &'s [Condition],
}

impl Compiled {
    /// What each policy says, and which of them match.
    pub(super) fn read(&self, ask: &Ask<'_>, hindsight: &Hindsight<'_>) -> (Vec<Considered>, Vec<Match>) {
        let Ok((actor, placed, action)) = self.parties(ask) else { return (Vec::new(), Vec::new()) };
        let store = match &placed.guest {
            None => None,
            Some((guest, _)) => self.whole_with(guest.clone()).ok(),
        };
        let known = |uid: &Arc<EntityUID>| EntityUIDEntry::Known { euid: Arc::clone(uid), loc: None };
        let counted = self.counted(ask);
        let (context, args_fit) = self.context(Reads::ALL, ask, &counted);
        let request =
            Request::new_unchecked(known(&actor.uid), known(&action), known(&placed.uid), Some(context));
        let judge = Judge::new(request, store.as_ref().unwrap_or(&self.house.entities));
        let reader = Reader { house: &self.house, placed: &placed, judge: &judge };
        let mut considered = Vec::with_capacity(self.statutes.len());
        let mut matches = Vec::new();
        for (at, statute) in self.statutes.iter().enumerate() {
            let shadow = statute.shadow.holds(ask.actor, ask.task);
            let said = self.said(statute, (actor, &placed, &action), &judge, args_fit, shadow, hindsight);
            let matched = match &said.verdict {
                Verdict::Matched => Some(None),
                Verdict::Erred { why, .. } => Some(Some(Arc::clone(why))),
                Verdict::Unknown { recorded: Some(true), .. } => Some(None),
                _ => None,
            };
            // Where the record names a file with several such policies, each of them is taken to have matched.
            matches.extend(matched.map(|erred| Match { at, erred }));
            let mut readings = reader.readings(said.about);
            // What is not known has no value here, only a place holder.
            readings.retain(|one| !hindsight.lost.iter().any(|lost| lost.is_at(&one.path)));
            considered.push(Considered {
                article: Article::of(statute, shadow),
                readings,
                verdict: said.verdict,
            });
        }
        settle(&mut considered);
        (considered, matches)
    }

    fn said<'s>(
        &self,
        statute: &'s Statute,
        (actor, placed, action): (&ActorFacts, &Placed, &EntityUID),
        judge: &Judge<'_>,
        args_fit: bool,
        shadow: bool,
        hindsight: &Hindsight<'_>,
    ) -> Said<'s> {
        let house = &self.house;
        if let Some(miss) = self.miss(statute, actor, placed, action) {
            let verdict = match miss {
                Miss::Principal => Verdict::OtherPrincipal { wants: house.scope_words(&statute.principal) },
                Miss::Action => Verdict::OtherAction { wants: house.action_words(&statute.action) },
                Miss::Resource => Verdict::OtherResource { wants: house.scope_words(&statute.resource) },
            };
            return Said { verdict, about: &[] };
        }
        let all = statute.conditions.as_slice();
        let fixed = all.iter().take_while(|condition| !condition.of_context).count();
        for (at, condition) in all.iter().enumerate() {
            let about = all.get(at..=at).unwrap_or_default();
            // The gate reads arguments before all conditions that depend on the call: if they do not fit, a policy that
            // reads them has failed, whatever stands before.
            if at >= fixed
                && !args_fit
                && let Some(unfit) =
                    all.get(at..).and_then(|rest| rest.iter().find(|one| one.reads.has(Reads::ARGS)))
            {
                let clause = clause_of(statute, &unfit.expr);
                return Said {
                    verdict: Verdict::Erred { clause, why: ARGS_UNFIT.into() },
                    about: std::slice::from_ref(unfit),
                };
            }
            let lost: Vec<&Lost> =
                hindsight.lost.iter().filter(|lost| condition.reads.has(lost.reads())).collect();
            let clause = || clause_of(statute, &condition.expr);
            if !lost.is_empty() {
                let lost = lost.into_iter().map(|lost| lost.as_str()).collect();
                let recorded = recorded(statute, shadow, hindsight);
                return Said { verdict: Verdict::Unknown { clause: clause(), lost, recorded }, about };
            }
            match judge.holds(&condition.expr) {
                Ok(true) => {}
                Ok(false) => return Said { verdict: Verdict::Failed { clause: clause() }, about },
                Err(why) => return Said { verdict: Verdict::Erred { clause: clause(), why }, about },
            }
        }
        Said { verdict: Verdict::Matched, about: all }
    }
}

/// Whether a policy that cannot be judged matched, as far as the record leaves no doubt.
fn recorded(statute: &Statute, shadow: bool, hindsight: &Hindsight<'_>) -> Option<bool> {
    let recorded = hindsight.recorded?;
    if shadow {
        return None;
    }
    let asks = !statute.notes.ask.is_empty();
    // Only a refusal names policies that forbid without a question; nothing that permits refuses.
    let could = match recorded.decision {
        "refuse" => !statute.permits,
        "allow" => statute.permits || asks,
        _ => asks,
    };
    if could && recorded.policies.contains(&statute.reference.id) {
        return Some(true);
    }
    match recorded.decision {
        // Whatever forbids without a question would have decided, had it matched.
        _ if !statute.permits && !asks => Some(false),
        // Had it matched, it were not so that nothing permits.
        "refuse" if recorded.policies.is_empty() && statute.permits => Some(false),
        // Whatever let it pass is named, and whatever asked and was answered; not what would permit after a question.
        "allow" if !statute.permits || !asks => Some(false),
        _ => None,
    }
}

/// Policies of one file share their id, so that a name in the record stands for one of them at least: where another one
/// of the file could be meant, the record leaves a doubt.
fn settle(considered: &mut [Considered]) {
    let mut named: HashMap<PolicyId, (u32, u32)> = HashMap::new();
    for one in considered.iter() {
        let (matched, open) = named.entry(one.article.policy.id).or_default();
        match one.verdict {
            Verdict::Matched => *matched = matched.saturating_add(1),
            Verdict::Unknown { recorded: Some(true), .. } => *open = open.saturating_add(1),
            _ => {}
        }
    }
    for one in considered {
        if let Verdict::Unknown { recorded, .. } = &mut one.verdict
            && *recorded == Some(true)
            && named.get(&one.article.policy.id) != Some(&(0, 1))
        {
            *recorded = None;
        }
    }
}
