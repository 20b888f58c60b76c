//! Counters of the gate, with label sets that cannot grow: statuses, codes, outcomes of decisions.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use alcaide_record::DecisionKind;

/// Counters.
#[derive(Debug, Default)]
pub(crate) struct Metrics {
    passed: Mutex<BTreeMap<u16, u64>>,
    refused: Mutex<BTreeMap<&'static str, u64>>,
    allowed: AtomicU64,
    asked: AtomicU64,
    forbidden: AtomicU64,
    open_attempts: AtomicU64,
    open_streams: AtomicU64,
}

/// Something that is counted while it is there.
#[derive(Debug)]
pub(crate) struct Open {
    metrics: Arc<Metrics>,
    what: What,
}

/// What is counted while it is there.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum What {
    /// An attempt at an upstream, from its intent to its outcome.
    Attempt,
    /// An answer that streams.
    Stream,
}

impl Drop for Open {
    fn drop(&mut self) {
        self.metrics.gauge(self.what).fetch_sub(1, Ordering::Relaxed);
    }
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

    /// A call was decided on.
    pub(crate) fn decided(&self, decision: DecisionKind) {
        let counter = match decision {
            DecisionKind::Allow => &self.allowed,
            DecisionKind::Ask => &self.asked,
            _ => &self.forbidden,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts something until the returned value is dropped.
    pub(crate) fn open(self: &Arc<Self>, what: What) -> Open {
        self.gauge(what).fetch_add(1, Ordering::Relaxed);
        Open { metrics: Arc::clone(self), what }
    }

    const fn gauge(&self, what: What) -> &AtomicU64 {
        match what {
            What::Attempt => &self.open_attempts,
            What::Stream => &self.open_streams,
        }
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
        text.push_str("# HELP alcaide_gate_decisions_total Decisions of the policies, by outcome.\n# TYPE alcaide_gate_decisions_total counter\n");
        for (outcome, count) in [("allow", &self.allowed), ("ask", &self.asked), ("refuse", &self.forbidden)]
        {
            let count = count.load(Ordering::Relaxed);
            let _ = writeln!(text, "alcaide_gate_decisions_total{{outcome=\"{outcome}\"}} {count}");
        }
        for (name, help, gauge) in [
            (
                "alcaide_gate_open_attempts",
                "Attempts at upstreams that have no outcome yet.",
                &self.open_attempts,
            ),
            ("alcaide_gate_open_streams", "Answers that stream now.", &self.open_streams),
        ] {
            let value = gauge.load(Ordering::Relaxed);
            let _ = write!(text, "# HELP {name} {help}\n# TYPE {name} gauge\n{name} {value}\n");
        }
        text
    }
}
