//! The package of the tests of compile-time messages, which are in `tests/ui.rs`. Their cases are in `ui`.
