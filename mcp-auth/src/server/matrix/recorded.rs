//! Compares an access matrix with a matrix that was printed before, and finds the added access.
//!
//! Both matrices are read from their Markdown form, so the same rules apply to a file of another version and to a file of
//! this version.
//!
//! INVARIANT: access that may be wider counts as wider.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::render::SERVER_SCOPES;

/// A matrix that was read from Markdown.
#[derive(Debug)]
pub(in crate::server) struct Recorded {
    /// The names of the callers.
    callers: Vec<String>,
    /// The lines, by the name of the tool, the prompt or the resource.
    lines: BTreeMap<String, Line>,
    /// The scopes that the server requires of every signed-in caller.
    server_scopes: BTreeSet<String>,
}

#[derive(Debug)]
struct Line {
    /// A cell for each caller.
    cells: Vec<String>,
    requires: String,
}

/// The reason why a text is not an access matrix.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub(in crate::server) enum Unreadable {
    #[error("the file contains no table in the format that `MCP_AUTH=tools-markdown` prints")]
    NoTable,
    #[error("line {line} has {cells} cells, and the header of the table has {expected}")]
    Cells {
        line: usize,
        cells: usize,
        expected: usize,
    },
    #[error("line {0} repeats the name of an earlier line")]
    Repeated(usize),
}

/// The differences between two matrices.
#[derive(Debug, Default)]
pub(in crate::server) struct Changes {
    pub(in crate::server) wider: Vec<Change>,
    pub(in crate::server) narrower: Vec<Change>,
    /// The scopes that the server no longer requires.
    pub(in crate::server) dropped_scopes: Vec<String>,
}

/// A changed cell, or the changed cells of one line.
#[derive(Debug, Eq, PartialEq)]
pub(in crate::server) struct Change {
    pub(in crate::server) name: String,
    /// For each cell the caller, and the texts before and after.
    cells: Vec<(String, String, String)>,
}

impl Recorded {
    /// Reads a matrix from Markdown.
    pub(in crate::server) fn read(text: &str) -> Result<Self, Unreadable> {
        let mut rows = text
            .lines()
            .enumerate()
            .filter(|(_, line)| line.starts_with('|'))
            .map(|(number, line)| (number + 1, cells(line)));
        let (_, header) = rows.next().ok_or(Unreadable::NoTable)?;
        let requires = header.iter().rposition(|cell| cell == "requires");
        let requires =
            requires.filter(|_| ["name", "tool"].contains(&header.first().map_or("", |s| s)));
        let requires = requires.ok_or(Unreadable::NoTable)?;
        // Skip the line below the header, which has only dashes.
        rows.next().ok_or(Unreadable::NoTable)?;
        let mut lines = BTreeMap::new();
        for (line, row) in rows {
            if row.len() != header.len() {
                return Err(Unreadable::Cells {
                    line,
                    cells: row.len(),
                    expected: header.len(),
                });
            }
            let mut row = row.into_iter();
            let name = row.next().unwrap_or_default();
            let cells = row.by_ref().take(requires.saturating_sub(1)).collect();
            let requires = row.next().unwrap_or_default();
            if lines.insert(name, Line { cells, requires }).is_some() {
                return Err(Unreadable::Repeated(line));
            }
        }
        let scopes = text
            .lines()
            .find_map(|line| line.strip_prefix(SERVER_SCOPES));
        let scopes = scopes.unwrap_or_default().split_whitespace();
        Ok(Self {
            callers: header.into_iter().take(requires).skip(1).collect(),
            lines,
            server_scopes: scopes.map(str::to_owned).collect(),
        })
    }

    /// Returns the changes from this matrix to another matrix. If a caller or a tool is only in the other matrix, all its
    /// access is new.
    pub(in crate::server) fn changes_to(&self, new: &Self) -> Changes {
        let mut changes = Changes::default();
        let names: BTreeSet<_> = self.lines.keys().chain(new.lines.keys()).collect();
        let callers = self.callers.iter();
        let callers = callers.chain(new.callers.iter().filter(|one| !self.callers.contains(one)));
        let callers: Vec<_> = callers.collect();
        for name in names {
            let (mut wider, mut narrower) = (Vec::new(), Vec::new());
            for caller in &callers {
                let (before, after) = (self.access(name, caller), new.access(name, caller));
                let cell = || {
                    let (before, after) = (before.to_string(), after.to_string());
                    ((*caller).clone(), before, after)
                };
                if after.may_exceed(&before) {
                    wider.push(cell());
                } else if before.may_exceed(&after) {
                    narrower.push(cell());
                }
            }
            for (cells, list) in [
                (wider, &mut changes.wider),
                (narrower, &mut changes.narrower),
            ] {
                if !cells.is_empty() {
                    let name = name.clone();
                    list.push(Change { name, cells });
                }
            }
        }
        let dropped = self.server_scopes.difference(&new.server_scopes);
        changes.dropped_scopes = dropped.cloned().collect();
        changes
    }

    fn access(&self, name: &str, caller: &str) -> Access<'_> {
        let line = self.lines.get(name);
        let place = self.callers.iter().position(|one| one == caller);
        let cell = line
            .zip(place)
            .and_then(|(line, place)| line.cells.get(place));
        match (line, cell.map(String::as_str)) {
            (None, _) | (_, None | Some("no")) => Access::None,
            (Some(line), Some(cell)) => Access::Under {
                cell,
                requires: &line.requires,
            },
        }
    }
}

/// The access of one caller to one tool.
enum Access<'a> {
    None,
    /// The caller may use the tool, perhaps under conditions.
    Under {
        cell: &'a str,
        requires: &'a str,
    },
}

impl Access<'_> {
    /// Returns true if this access may permit something that the other access does not permit.
    fn may_exceed(&self, other: &Self) -> bool {
        let (Self::Under { cell, requires }, other) = (self, other) else {
            return false;
        };
        let Self::Under {
            cell: other_cell,
            requires: other_requires,
        } = other
        else {
            return true;
        };
        match (
            is_unconditional(cell, requires),
            is_unconditional(other_cell, other_requires),
        ) {
            (_, true) => false,
            (true, false) => true,
            // If this access has all requirements of the other access, this access permits nothing more.
            (false, false) => !parts(requires).is_superset(&parts(other_requires)),
        }
    }
}

impl fmt::Display for Access<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("no"),
            Self::Under { cell, requires } if is_unconditional(cell, requires) => f.write_str(cell),
            Self::Under { cell, requires } => write!(f, "{cell} ({requires})"),
        }
    }
}

/// Shows the name and each cell: `anonymous: no, now yes`.
impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}`", self.name)?;
        for (index, (caller, before, after)) in self.cells.iter().enumerate() {
            let separator = if index == 0 { ":" } else { ";" };
            write!(f, "{separator} {caller} {before}, now {after}")?;
        }
        Ok(())
    }
}

/// Returns true if the caller of this cell may always use the tool.
fn is_unconditional(cell: &str, requires: &str) -> bool {
    cell == "yes" && !requires.ends_with(CONFIRMED)
}

/// The requirements of a guard, without the modules that state them.
fn parts(requires: &str) -> BTreeSet<&str> {
    let parts = requires.split(", ");
    parts
        .map(|part| part.split_once(" (module ").map_or(part, |(part, _)| part))
        .filter(|part| *part != "signed in")
        .collect()
}

/// The cells of a line. A bar within a cell is escaped.
fn cells(line: &str) -> Vec<String> {
    let mut cells = vec![String::new()];
    let mut letters = line.trim_end().chars().skip(1).peekable();
    while let Some(letter) = letters.next() {
        match (letter, letters.peek()) {
            ('\\', Some('|')) => letters
                .next()
                .into_iter()
                .for_each(|bar| push(&mut cells, bar)),
            ('|', _) => cells.push(String::new()),
            (letter, _) => push(&mut cells, letter),
        }
    }
    // The bar at the end of the line ends the last cell.
    cells.pop();
    cells.iter().map(|cell| cell.trim().to_owned()).collect()
}

fn push(cells: &mut [String], letter: char) {
    if let Some(cell) = cells.last_mut() {
        cell.push(letter);
    }
}

/// The end of `requires` if a person has to confirm each call.
const CONFIRMED: &str = "confirmed by the user";

#[cfg(test)]
mod tests {
    use super::*;

    fn matrix(callers: &str, rows: &[&str]) -> Recorded {
        let columns = callers.split('|').count() + 2;
        let header = format!(
            "| tool | {callers} | requires |\n|{}\n",
            "---|".repeat(columns)
        );
        let rows: String = rows.iter().map(|row| format!("| {row} |\n")).collect();
        Recorded::read(&(header + &rows)).unwrap()
    }

    /// The changes of one cell, as (wider, narrower).
    fn changed(before: &str, after: &str) -> (bool, bool) {
        let before = matrix("signed in", &[&format!("t | {before}")]);
        let changes = before.changes_to(&matrix("signed in", &[&format!("t | {after}")]));
        (!changes.wider.is_empty(), !changes.narrower.is_empty())
    }

    #[test]
    fn a_cell_is_wider_unless_it_is_certainly_the_same_or_narrower() {
        const SAME: (bool, bool) = (false, false);
        const WIDER: (bool, bool) = (true, false);
        const NARROWER: (bool, bool) = (false, true);
        let of_a = "with permission | permission a";
        for (before, after, expected) in [
            ("no | role r", "no | role s", SAME),
            ("yes | signed in", "yes | signed in", SAME),
            ("no | role r", "yes | signed in", WIDER),
            ("no | role r", "with role | role r", WIDER),
            ("yes | signed in", "no | role r", NARROWER),
            (of_a, of_a, SAME),
            (of_a, "yes | signed in", WIDER),
            ("yes | signed in", of_a, NARROWER),
            (of_a, "with permission | permission b", WIDER),
            (
                of_a,
                "with permission, role | permission a, role r",
                NARROWER,
            ),
            ("with permission, role | permission a, role r", of_a, WIDER),
            (
                of_a,
                "with permission | any of permission a; permission b",
                WIDER,
            ),
            (of_a, "with permission | permission a (module m)", SAME),
            (
                of_a,
                "with permission, if | permission a, authorize owns(id)",
                NARROWER,
            ),
            ("if | authorize owns(id)", "yes | signed in", WIDER),
            ("if | authorize owns(id)", "if | authorize likes(id)", WIDER),
            ("if policy | policy staff", "yes | signed in", WIDER),
            (
                "yes | signed in, confirmed by the user",
                "yes | signed in",
                WIDER,
            ),
            (
                "yes | signed in",
                "yes | signed in, confirmed by the user",
                NARROWER,
            ),
        ] {
            assert_eq!(changed(before, after), expected, "{before} -> {after}");
        }
    }

    #[test]
    fn a_new_tool_and_a_new_caller_are_wider_unless_they_may_do_nothing() {
        let before = matrix("anonymous | signed in", &["a | no | yes | signed in"]);
        let after = matrix(
            "anonymous | signed in | machine",
            &[
                "a | no | yes | yes | signed in",
                "b | no | yes | no | user",
                "c | no | no | no | role r",
            ],
        );
        let changes = before.changes_to(&after);
        let wider: Vec<_> = changes.wider.iter().map(Change::to_string).collect();
        assert_eq!(
            wider,
            ["`a`: machine no, now yes", "`b`: signed in no, now yes"]
        );
        assert!(changes.narrower.is_empty());
        let back = after.changes_to(&before);
        assert!(back.wider.is_empty());
        assert_eq!(back.narrower.len(), 2);
    }

    #[test]
    fn a_scope_that_the_server_no_longer_requires_is_reported() {
        let of = |scopes: &str| {
            let table = "| tool | signed in | requires |\n|---|---|---|\n| a | yes | signed in |\n";
            Recorded::read(&format!("{table}\n{SERVER_SCOPES}{scopes}\n")).unwrap()
        };
        let dropped = |before: &str, after: &str| of(before).changes_to(&of(after)).dropped_scopes;
        assert_eq!(dropped("read write", "write"), ["read"]);
        assert!(dropped("write", "read write").is_empty());
    }

    #[test]
    fn a_text_that_is_no_matrix_is_refused() {
        let read = |text: &str| Recorded::read(text).err();
        for text in [
            "",
            "tool requires",
            "{\"tools\": []}",
            "| a | b |\n|---|---|\n",
        ] {
            assert_eq!(read(text), Some(Unreadable::NoTable), "{text}");
        }
        let table = |rows: &str| format!("| tool | signed in | requires |\n|---|---|---|\n{rows}");
        let short = table("| a | yes |\n");
        let error = Unreadable::Cells {
            line: 3,
            cells: 2,
            expected: 3,
        };
        assert_eq!(read(&short), Some(error));
        let twice = table("| a | yes | signed in |\n| a | no | role r |\n");
        assert_eq!(read(&twice), Some(Unreadable::Repeated(4)));
    }

    #[test]
    fn a_bar_in_a_name_is_not_the_end_of_a_cell() {
        let matrix = matrix("files\\|write", &["a\\|b | yes | scope files\\|write"]);
        assert_eq!(matrix.callers, ["files|write"]);
        assert_eq!(matrix.lines["a|b"].requires, "scope files|write");
    }
}
