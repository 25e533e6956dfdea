//! `permissions!`: all permissions of an application in one place.

use super::names::{Permission, const_panic_with};

/// Declares permissions as constants of the type [`Permission`](crate::Permission).
///
/// ```standalone_crate
/// use mcp_auth::mcp_tool;
///
/// mod may {
///     mcp_auth::permissions! {
///         /// Read documents.
///         pub READ = "org:documents:read";
///         /// Delete documents.
///         pub(crate) DELETE = "org:documents:delete";
///     }
/// }
///
/// /// Delete a document.
/// #[mcp_tool(permission = all(may::READ, may::DELETE))]
/// async fn delete_document(document_id: String) {}
///
/// # fn main() {
/// assert_eq!(may::READ.as_str(), "org:documents:read");
/// # }
/// ```
///
/// The compiler checks each key. A key that is declared twice is an error. A constant may have a visibility such as
/// `pub`.
///
/// # Only the declared permissions
///
/// With `only;` at the start, the tools of the crate can require only the declared permissions, as a text or as a
/// constant. `permission = "org:documents:delte"` then does not compile, and the error names the most similar
/// permission.
///
/// ```standalone_crate
/// mcp_auth::permissions! {
///     only;
///     pub READ = "org:documents:read";
/// }
///
/// /// Read a document.
/// #[mcp_auth::mcp_tool(permission = "org:documents:read")]
/// async fn read_document(document_id: String) {}
/// # fn main() {}
/// ```
///
/// ```compile_fail,standalone_crate
/// mcp_auth::permissions! {
///     only;
///     pub READ = "org:documents:read";
/// }
///
/// /// Delete a document.
/// #[mcp_auth::mcp_tool(permission = "org:documents:delete")]
/// async fn delete_document(document_id: String) {}
/// # fn main() {}
/// ```
///
/// `only` applies to one crate, and must be in the root of the crate (`main.rs`, `lib.rs`). Each binary, integration
/// test and example is a crate of its own. The constants may be used wherever they are visible. If your own
/// implementation of [`FromContext`](crate::FromContext) requires permissions, these permissions are not compared
/// with the list.
///
/// Source: <https://clerk.com/docs/organizations/roles-permissions>.
#[macro_export]
macro_rules! permissions {
    ($($declared:tt)*) => {
        $crate::__private::permissions! { $crate; $($declared)* }
    };
}

/// The permissions that the tools of a crate may name.
#[derive(Clone, Copy, Debug)]
pub struct Declared {
    only: Option<&'static [&'static str]>,
    place: &'static str,
}

/// The default: a crate whose root has no `only` may name every permission.
pub const ANY_PERMISSION: Declared = Declared {
    only: None,
    place: "",
};

impl Declared {
    /// Lets the guards of a crate name only these permissions. Also records the place in the source at which the
    /// permissions are declared.
    #[must_use]
    pub const fn only(keys: &'static [&'static str], place: &'static str) -> Self {
        Self {
            only: Some(keys),
            place,
        }
    }

    /// Asserts that the tools use the declaration at `place`.
    ///
    /// # Panics
    ///
    /// If the tools use another declaration, because `place` is not in the root of the crate. In a `const` the panic is
    /// a compile error.
    #[track_caller]
    pub const fn check_is_at(self, place: &str) {
        if !same(self.place.as_bytes(), place.as_bytes()) {
            const_panic_with(&[
                "`only` holds for a whole crate: move this `permissions!` to the crate's root",
            ]);
        }
    }

    /// Asserts that a tool may name the permission.
    #[track_caller]
    pub(super) const fn check(self, permission: Permission) {
        let Some(declared) = self.only else { return };
        let asked = permission.as_str();
        let mut rest = declared;
        while let [one, others @ ..] = rest {
            if same(one.as_bytes(), asked.as_bytes()) {
                return;
            }
            rest = others;
        }
        let undeclared = "` is not declared in `permissions!`";
        match nearest(declared, asked) {
            Some(near) => {
                const_panic_with(&["`", asked, undeclared, "; did you mean `", near, "`?"])
            }
            None => const_panic_with(&["`", asked, undeclared]),
        }
    }
}

/// Returns the most similar declared permission. `None` if every declared permission differs by more than
/// [`MOST_EDITS`] edits.
pub(crate) const fn nearest<'a>(declared: &[&'a str], asked: &str) -> Option<&'a str> {
    let mut nearest = None;
    let mut least = MOST_EDITS + 1;
    let mut rest = declared;
    while let [one, others @ ..] = rest {
        let edits = distance(one.as_bytes(), asked.as_bytes());
        if edits < least {
            least = edits;
            nearest = Some(*one);
        }
        rest = others;
    }
    nearest
}

/// Returns the Levenshtein distance: the number of bytes to change, add or remove. Returns
/// `usize::MAX` if a text is longer than [`LONGEST`].
#[expect(
    clippy::indexing_slicing,
    reason = "`a` and `b` are looped over by their lengths, and a row is longer than `b`"
)]
const fn distance(a: &[u8], b: &[u8]) -> usize {
    if a.len() > LONGEST || b.len() > LONGEST {
        return usize::MAX;
    }
    let mut row = [0; LONGEST + 1];
    let mut j = 0;
    while j <= b.len() {
        row[j] = j;
        j += 1;
    }
    let mut i = 0;
    while i < a.len() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        let mut j = 0;
        while j < b.len() {
            let above = row[j + 1];
            let changed = if a[i] == b[j] { diagonal } else { diagonal + 1 };
            let added = if above < row[j] {
                above + 1
            } else {
                row[j] + 1
            };
            row[j + 1] = if changed < added { changed } else { added };
            diagonal = above;
            j += 1;
        }
        i += 1;
    }
    row[b.len()]
}

const fn same(mut a: &[u8], mut b: &[u8]) -> bool {
    while let ([x, more @ ..], [y, others @ ..]) = (a, b) {
        if *x != *y {
            return false;
        }
        (a, b) = (more, others);
    }
    a.is_empty() && b.is_empty()
}

/// The length in bytes above which no similar permission is searched.
const LONGEST: usize = 96;
/// The largest distance of a suggestion. `delte` for `delete` is one edit. With more edits, the text may well be
/// another permission of the same feature.
const MOST_EDITS: usize = 3;

#[cfg(test)]
mod tests {
    use super::*;

    const READ: &str = "org:documents:read";
    const DELETE: &str = "org:documents:delete";
    const ONLY: Declared = Declared::only(&[READ, DELETE], "lib.rs:1:1");

    #[test]
    fn what_is_declared_may_be_named_and_without_only_everything_may() {
        ONLY.check(Permission::new(READ));
        ONLY.check(Permission::new("org:documents:delete"));
        ANY_PERMISSION.check(Permission::new("org:a:b"));
    }

    #[test]
    #[should_panic(
        expected = "`org:documents:delte` is not declared in `permissions!`; did you mean `org:documents:delete`?"
    )]
    fn a_slip_of_the_pen_names_what_was_meant() {
        ONLY.check(Permission::new("org:documents:delte"));
    }

    #[test]
    #[should_panic(expected = "`org:invoices:pay` is not declared in `permissions!`")]
    fn another_permission_is_refused_without_a_guess() {
        ONLY.check(Permission::new("org:invoices:pay"));
    }

    #[test]
    fn a_guess_is_near_or_there_is_none() {
        let all = &[READ, DELETE];
        for (asked, near) in [
            ("org:documents:raed", Some("org:documents:read")),
            ("org:document:delete", Some("org:documents:delete")),
            ("org:documents:publish", None),
            ("org:invoices:pay", None),
        ] {
            assert_eq!(nearest(all, asked), near, "{asked}");
        }
        let long = "a".repeat(97);
        assert_eq!(nearest(all, &long), None);
    }

    #[test]
    fn distances_count_edits() {
        for (a, b, edits) in [
            ("", "", 0),
            ("abc", "", 3),
            ("", "abc", 3),
            ("kitten", "sitting", 3),
            ("abc", "abc", 0),
            ("abc", "acb", 2),
        ] {
            assert_eq!(distance(a.as_bytes(), b.as_bytes()), edits, "{a} {b}");
        }
    }

    #[test]
    #[should_panic(expected = "`only` holds for a whole crate")]
    fn what_is_not_found_at_the_root_has_no_effect_and_says_so() {
        ANY_PERMISSION.check_is_at("src/inner.rs:1:1");
    }

    #[test]
    fn what_is_found_at_the_root_is_what_stands_there() {
        ONLY.check_is_at("lib.rs:1:1");
    }
}
