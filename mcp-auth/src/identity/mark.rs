//! A mark that identifies the result of one verification or look-up.

use std::ptr;
use std::sync::{Arc, Weak};

/// Identifies the result of one verification or look-up, without keeping the result in memory. The mark does not match
/// another result, even if the other result is equal.
///
/// While the mark exists, no other result gets the address of the marked result, even after the marked result was
/// dropped.
#[derive(Clone)]
pub(crate) struct Mark(Weak<dyn Send + Sync>);

impl Mark {
    pub(super) fn of<T: Send + Sync + 'static>(facts: &Arc<T>) -> Self {
        let facts: Weak<T> = Arc::downgrade(facts);
        Self(facts)
    }

    pub(super) fn is_of<T>(&self, facts: &Arc<T>) -> bool {
        ptr::addr_eq(self.0.as_ptr(), Arc::as_ptr(facts))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_of_its_facts_alone_and_does_not_keep_them() {
        let facts = Arc::new(String::from("ada"));
        let mark = Mark::of(&facts);
        assert!(mark.is_of(&facts));
        assert!(!mark.is_of(&Arc::new(String::from("ada"))));
        assert_eq!(Arc::strong_count(&facts), 1);
        drop(facts);
        assert!(mark.0.upgrade().is_none());
    }
}
