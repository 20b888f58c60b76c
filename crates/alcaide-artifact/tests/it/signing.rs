//! Models signed and verified, over trees in memory and over bundles of other writers.

mod cache;
mod fixtures;
mod forge;
mod peer;
mod quorum;
mod rules;
mod tree;
