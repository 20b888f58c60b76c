#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| alcaide_fuzz::bodies::coreml(bytes));
