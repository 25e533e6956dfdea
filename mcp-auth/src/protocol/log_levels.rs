//! The log levels that clients of the legacy era set with `logging/setLevel`.

use quick_cache::sync::Cache;

use crate::identity::Caller;
use crate::primitive::LogLevel;

/// The level of each principal. Without a session, the level that a client sets holds for all calls of its principal. A
/// principal that set no level gets no log messages.
#[derive(Debug)]
pub(super) struct LogLevels(Cache<Box<[u8]>, LogLevel>);

impl LogLevels {
    pub(super) fn new() -> Self {
        Self(Cache::new(MOST_PRINCIPALS))
    }

    /// Sets the level of the caller's principal. Sets no level for a caller without a token, because all callers
    /// without a token would share the level.
    pub(super) fn set(&self, caller: Option<&Caller>, level: LogLevel) {
        if let Some(caller) = caller {
            self.0.insert(key(caller), level);
        }
    }

    /// Returns the level that the caller's principal set. `None` if the principal set no level, or if levels of other
    /// principals have pushed the level out of the table.
    pub(super) fn of(&self, caller: &Caller) -> Option<LogLevel> {
        self.0.get(&key(caller))
    }
}

fn key(caller: &Caller) -> Box<[u8]> {
    caller.principal_in(None).to_bytes().into()
}

/// The largest number of principals whose level is kept.
const MOST_PRINCIPALS: usize = 10_000;
