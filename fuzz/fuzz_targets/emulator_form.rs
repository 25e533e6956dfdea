#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| clerk_emulator::__fuzz::form(bytes));
