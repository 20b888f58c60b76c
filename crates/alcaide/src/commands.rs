//! One module per noun of the command line.

pub(crate) mod activity;
pub(crate) mod agent;
pub(crate) mod approval;
pub(crate) mod backup;
pub(crate) mod completion;
pub(crate) mod config;
pub(crate) mod console;
pub(crate) mod credential;
pub(crate) mod declare;
pub(crate) mod doctor;
pub(crate) mod explain;
pub(crate) mod flow;
pub(crate) mod log;
pub(crate) mod model;
pub(crate) mod order;
pub(crate) mod peer;
pub(crate) mod people;
pub(crate) mod plan;
pub(crate) mod policy;
pub(crate) mod range;
pub(crate) mod restore;
pub(crate) mod secret;
pub(crate) mod serve;
pub(crate) mod task;
pub(crate) mod token;
pub(crate) mod tool;
