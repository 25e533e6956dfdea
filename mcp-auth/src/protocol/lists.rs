//! Caches the pages of lists, one page for each set of visible entries. Many callers see the same set.

use bytes::Bytes;
use quick_cache::Weighter;
use quick_cache::sync::Cache;

use crate::guard::Visible;
use crate::primitive::List;

use super::era::Era;

/// The key of a cached page: all data on which the bytes of the page depend.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub(super) struct Key {
    pub(super) list: List,
    pub(super) era: Era,
    pub(super) with_icons: bool,
    /// The number of visible entries on the pages before this page.
    pub(super) from: usize,
    pub(super) visible: Visible,
}

/// The lists that were requested recently.
#[derive(Debug)]
pub(super) struct Lists(Cache<Key, Bytes, Weight>);

impl Lists {
    pub(super) fn new() -> Self {
        Self(Cache::with_weighter(MOST_LISTS, MOST_BYTES, Weight))
    }

    /// Returns the list for `key`. If the cache does not have the list, assembles it. Two concurrent requests may both
    /// assemble the same list, because waiting for the other request would take longer.
    pub(super) fn kept(&self, key: Key, assemble: impl FnOnce(&Key) -> Vec<u8>) -> Bytes {
        if let Some(list) = self.0.get(&key) {
            return list;
        }
        let list = Bytes::from(assemble(&key));
        self.0.insert(key, list.clone());
        list
    }
}

/// The weight of a list: its size in bytes, but at least a minimum. The minimum limits the number of lists to
/// `MOST_LISTS`.
#[derive(Clone, Debug)]
struct Weight;

impl Weighter<Key, Bytes> for Weight {
    fn weight(&self, key: &Key, list: &Bytes) -> u64 {
        let bytes = (list.len() + key.visible.size()) as u64;
        bytes.max(MOST_BYTES / MOST_LISTS as u64)
    }
}

const MOST_LISTS: usize = 64;
const MOST_BYTES: u64 = 4 * 1024 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    fn key(era: Era, with_icons: bool, tools: &[usize], of: usize) -> Key {
        Key {
            list: List::Tools,
            era,
            with_icons,
            from: 0,
            visible: (0..of).map(|index| tools.contains(&index)).collect(),
        }
    }

    #[test]
    fn a_list_is_assembled_once_for_each_set_and_form() {
        let lists = Lists::new();
        let mut assembled = 0;
        for _ in 0..3 {
            for era in [Era::Legacy, Era::Modern] {
                for icons in [false, true] {
                    for tools in [&[][..], &[0], &[64], &[0, 64]] {
                        let text = format!("{era:?} {icons} {tools:?}");
                        let list = lists.kept(key(era, icons, tools, 65), |_| {
                            assembled += 1;
                            text.clone().into_bytes()
                        });
                        assert_eq!(list, text);
                    }
                }
            }
        }
        assert_eq!(assembled, 16);
        for (list, from) in [(List::Prompts, 0), (List::Tools, 100)] {
            let other = Key {
                list,
                from,
                ..key(Era::Modern, true, &[0], 65)
            };
            lists.kept(other, |_| {
                assembled += 1;
                Vec::new()
            });
        }
        assert_eq!(assembled, 18);
    }

    #[test]
    fn what_is_kept_is_bounded_in_lists_and_in_bytes() {
        for (length, most) in [(10, 64), (1024 * 1024, 4), (5 * 1024 * 1024, 0)] {
            let lists = Lists::new();
            for tool in 0..500 {
                let list = lists.kept(key(Era::Modern, true, &[tool], 500), |_| vec![0; length]);
                assert_eq!(list.len(), length);
            }
            assert!(lists.0.len() <= most, "{} of {length}", lists.0.len());
        }
    }
}
