//! Small writers for tests.

use alcaide_container::{Fuel, Limits};
use alcaide_finding::FileFinding;

use crate::{Report, scan};

/// The report on `bytes` called `name`.
pub(crate) fn report(name: &str, bytes: &[u8]) -> Report {
    let fuel = Fuel::new(Limits::for_file(bytes.len() as u64));
    let report = scan(name, &bytes, &fuel);
    for part in &report.parts {
        let sum = part.coverage.parsed + part.coverage.payload + part.coverage.opaque;
        assert_eq!(sum, part.bytes, "coverage of {:?}", part.member);
    }
    report
}

/// The rules of findings, in the order of the report.
pub(crate) fn rules(report: &Report) -> Vec<&str> {
    report.findings.iter().map(|one: &FileFinding| one.rule.as_str()).collect()
}

pub(crate) fn varint(mut value: u64) -> Vec<u8> {
    let mut out = Vec::new();
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
    out
}

/// A field with a number in it.
pub(crate) fn number(field: u32, value: u64) -> Vec<u8> {
    [varint(u64::from(field) << 3), varint(value)].concat()
}

/// A field with bytes in it: text, numbers or a message.
pub(crate) fn field(number: u32, content: impl AsRef<[u8]>) -> Vec<u8> {
    let content = content.as_ref();
    [varint(u64::from(number) << 3 | 2), varint(content.len() as u64), content.to_vec()].concat()
}
