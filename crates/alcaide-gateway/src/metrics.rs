//! Counters of the gate, with label sets that cannot grow: statuses and codes.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::{Mutex, PoisonError};

/// Counters.
#[derive(Debug, Default)]
pub(crate) struct Metrics {
    passed: Mutex<BTreeMap<u16, u64>>,
    refused: Mutex<BTreeMap<&'static str, u64>>,
}

impl Metrics {
    /// A call was answered by its upstream with this status.
    pub(crate) fn passed(&self, status: u16) {
        *self.passed.lock().unwrap_or_else(PoisonError::into_inner).entry(status).or_default() += 1;
    }

    /// A call was refused with this code.
    pub(crate) fn refused(&self, code: &'static str) {
        *self.refused.lock().unwrap_or_else(PoisonError::into_inner).entry(code).or_default() += 1;
    }

    /// The Prometheus text format, version 0.0.4.
    pub(crate) fn text(&self) -> String {
        let mut text = String::from(
            "# HELP alcaide_gate_passed_total Calls answered, by status.\n# TYPE alcaide_gate_passed_total counter\n",
        );
        for (status, count) in self.passed.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            // INVARIANT: writing into a String does not fail.
            let _ = writeln!(text, "alcaide_gate_passed_total{{status=\"{status}\"}} {count}");
        }
        text.push_str("# HELP alcaide_gate_refused_total Calls refused, by code.\n# TYPE alcaide_gate_refused_total counter\n");
        for (code, count) in self.refused.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            let _ = writeln!(text, "alcaide_gate_refused_total{{code=\"{code}\"}} {count}");
        }
        text
    }
}
