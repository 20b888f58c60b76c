//! What is made of values is kept by number: the first of it for good, and of what comes later the latest.
//!
//! A pickle may make more containers than there is room for. What is called gets its arguments just before, so that the
//! latest are the ones that are asked for; what changes what another object is (a partial, an attribute, the result of a
//! function that hands out shared things) is kept for good in a room of its own.

use super::value::{Held, Node};

/// Containers, results of calls and their like.
#[derive(Debug, Default)]
pub(crate) struct Nodes {
    held: Vec<(Node, u64)>,
    /// The latest, each with its number.
    latest: Vec<(u32, Node, u64)>,
    /// How many were made beyond those that are held.
    beyond: u32,
    /// Items of containers that are held for good.
    items: usize,
}

impl Nodes {
    const HELD_MAX: usize = 120_000;
    /// Held for good beyond that, for what must not be forgotten.
    const LASTING_MAX: usize = 50_000;
    const ITEMS_MAX: usize = 300_000;
    /// Items of one container that are held.
    pub(super) const ITEMS_KEPT: usize = 16;
    const LATEST_MAX: u32 = 8_192;
    /// Numbers from here on are of the latest.
    const LATEST: u32 = 1 << 31;

    /// The number of a new node; none if numbers are used up.
    pub(crate) fn keep(&mut self, mut node: Node, weight: u64, lasting: bool) -> Option<u32> {
        if let Node::Tuple(held) | Node::List(held) | Node::Dict(held) | Node::Set(held) = &mut node {
            held.items.truncate(Self::ITEMS_KEPT);
            held.items.shrink_to_fit();
        }
        let room = self.held.len() < Self::HELD_MAX && self.items < Self::ITEMS_MAX;
        if room || (lasting && self.held.len() < Self::HELD_MAX + Self::LASTING_MAX) {
            self.items += items(&node).map_or(0, |held| held.items.len());
            self.held.push((node, weight));
            return u32::try_from(self.held.len() - 1).ok();
        }
        let number = Self::LATEST.checked_add(self.beyond)?;
        self.beyond += 1;
        let slot = (number % Self::LATEST_MAX) as usize;
        match self.latest.get_mut(slot) {
            Some(old) => *old = (number, node, weight),
            None => self.latest.push((number, node, weight)),
        }
        Some(number)
    }

    /// A node; none if it is forgotten.
    pub(crate) fn get(&self, number: u32) -> Option<&Node> {
        if number < Self::LATEST {
            return self.held.get(number as usize).map(|(node, _)| node);
        }
        let latest = self.latest.get((number % Self::LATEST_MAX) as usize);
        latest.filter(|one| one.0 == number).map(|(_, node, _)| node)
    }

    pub(crate) fn get_mut(&mut self, number: u32) -> Option<&mut Node> {
        self.entry(number).map(|(node, _)| node)
    }

    /// Puts an item into a container.
    pub(crate) fn push(&mut self, number: u32, item: super::value::Value) {
        let full = number < Self::LATEST && self.items >= Self::ITEMS_MAX;
        let Some(Node::List(held) | Node::Dict(held) | Node::Set(held)) = self.get_mut(number) else {
            return;
        };
        let before = held.items.len();
        held.push(item, if full { 0 } else { Self::ITEMS_KEPT });
        let added = held.items.len() - before;
        if number < Self::LATEST {
            self.items += added;
        }
    }

    /// How many values it stands for.
    pub(crate) fn weight(&self, number: u32) -> u64 {
        if number < Self::LATEST {
            return self.held.get(number as usize).map_or(1, |(_, weight)| *weight);
        }
        let latest = self.latest.get((number % Self::LATEST_MAX) as usize);
        latest.filter(|one| one.0 == number).map_or(1, |(_, _, weight)| *weight)
    }

    /// Makes it heavier; what it weighs then.
    pub(crate) fn gain(&mut self, number: u32, more: u64) -> Option<u64> {
        let (_, weight) = self.entry(number)?;
        *weight = weight.saturating_add(more);
        Some(*weight)
    }

    fn entry(&mut self, number: u32) -> Option<(&mut Node, &mut u64)> {
        if number < Self::LATEST {
            return self.held.get_mut(number as usize).map(|(node, weight)| (node, weight));
        }
        let latest = self.latest.get_mut((number % Self::LATEST_MAX) as usize);
        latest.filter(|one| one.0 == number).map(|(_, node, weight)| (node, weight))
    }
}

fn items(node: &Node) -> Option<&Held> {
    match node {
        Node::Tuple(held) | Node::List(held) | Node::Dict(held) | Node::Set(held) => Some(held),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::value::Value;
    use super::*;

    #[test]
    fn the_latest_are_there_and_what_lasts_is_there_for_ever() {
        let mut nodes = Nodes::default();
        for number in 0..Nodes::HELD_MAX as i64 {
            assert!(nodes.keep(Node::Extension(number), 1, false).is_some());
        }
        let lasting = nodes.keep(Node::Partial { of: Value::None }, 1, true).unwrap();
        let first = nodes.keep(Node::Extension(-1), 7, false).unwrap();
        assert_eq!((nodes.weight(first), nodes.gain(first, 3)), (7, Some(10)));
        for number in 0..i64::from(Nodes::LATEST_MAX) {
            assert!(nodes.get(first).is_some(), "{number}");
            let one = nodes.keep(Node::Extension(number), 1, false).unwrap();
            assert!(matches!(nodes.get(one), Some(Node::Extension(found)) if *found == number));
        }
        assert!(nodes.get(first).is_none() && nodes.gain(first, 1).is_none());
        assert!(matches!(nodes.get(lasting), Some(Node::Partial { .. })));
        assert!(matches!(nodes.get(5), Some(Node::Extension(5))));
    }
}
