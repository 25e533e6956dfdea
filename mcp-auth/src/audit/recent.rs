//! The last texts about requests that have a trace id: audit records and log lines, for a person who develops a server.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Mutex, PoisonError};

/// The last texts, each with the trace id of its request. At the limits, the oldest texts are removed.
///
/// A caller chooses its trace id, and can send the same id twice. A trace id finds texts and proves nothing.
pub(crate) struct Recent {
    most: usize,
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    texts: VecDeque<(Box<str>, Box<str>)>,
    bytes: usize,
}

impl Recent {
    /// Keeps at most `most` texts, and at most 1 MiB.
    pub(crate) fn new(most: usize) -> Self {
        Self {
            most,
            kept: Mutex::default(),
        }
    }

    /// Adds a text about the request with this trace id.
    pub(crate) fn push(&self, trace_id: &str, text: String) {
        // Unlike a `String`, a box has no memory beyond the counted bytes.
        let text = text.into_boxed_str();
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.bytes += trace_id.len() + text.len();
        kept.texts.push_back((trace_id.into(), text));
        while kept.texts.len() > self.most || kept.bytes > MOST_BYTES {
            let Some((trace_id, text)) = kept.texts.pop_front() else {
                return;
            };
            kept.bytes -= trace_id.len() + text.len();
        }
    }

    /// Returns the texts about the requests with this trace id, from the oldest to the newest.
    pub(crate) fn of(&self, trace_id: &str) -> Vec<String> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let of_trace = kept.texts.iter().filter(|(of, _)| **of == *trace_id);
        of_trace.map(|(_, text)| text.to_string()).collect()
    }
}

impl fmt::Debug for Recent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recent")
            .field("most", &self.most)
            .finish_non_exhaustive()
    }
}

const MOST_BYTES: usize = 1024 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_found_by_their_trace_id_in_their_order() {
        let recent = Recent::new(10);
        for (trace_id, text) in [("a", "1"), ("b", "2"), ("a", "3")] {
            recent.push(trace_id, text.to_owned());
        }
        assert_eq!(recent.of("a"), ["1", "3"]);
        assert_eq!(recent.of("b"), ["2"]);
        assert!(recent.of("c").is_empty());
        assert!(!format!("{recent:?}").contains('3'));
    }

    #[test]
    fn beyond_the_limits_the_oldest_texts_are_removed() {
        let recent = Recent::new(3);
        for number in 0..5 {
            recent.push("a", number.to_string());
        }
        assert_eq!(recent.of("a"), ["2", "3", "4"]);
        recent.push("b", "x".repeat(MOST_BYTES - 10));
        assert!(recent.of("a").len() < 3, "the bytes are limited too");
        recent.push("c", "x".repeat(MOST_BYTES + 1));
        let kept = recent.kept.lock().unwrap();
        assert_eq!((kept.texts.len(), kept.bytes), (0, 0));
    }
}
