//! Nothing but a home for the integration tests of the workspace, in `tests/`.
