//! What is read of a body costs about as much memory as the body.

use super::*;

/// Most bytes that this process ever had in memory.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
}

/// A key of 1 MiB over 1,000 strings: a copy of the way to each would be 1,000 MiB.
fn long_way() -> String {
    format!("{{{:?}:[{}\"a\"]}}", "k".repeat(1 << 20), "\"a\",".repeat(999))
}

#[test]
fn a_long_key_is_not_copied_for_each_string_below_it() {
    let model = format!(r#"{{"model":"m","messages":[],"x":{}}}"#, long_way());
    let view = request(Operation::ChatCompletions, &model);
    assert_eq!(view.segments.len(), 1_001);
    let tool = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"x/y","params":{}}}"#, long_way());
    let document = document(&tool);
    let view = crate::mcp::CallView::read(&document).unwrap();
    assert_eq!(view.segments.len(), 1_001);
    assert!(peak() < 200 << 20, "{} MiB", peak() >> 20);
}
