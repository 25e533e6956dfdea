//! The counted figures, the checked-in figures, and their comparison.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use crate::scenarios::{NAMES, ONE_OF_FEW, ONE_OF_MANY};

/// The figures of one call.
#[derive(Clone, Copy)]
pub(crate) struct Figure {
    pub(crate) instructions: u64,
    pub(crate) allocations: u64,
    pub(crate) bytes: u64,
}

/// Figures by scenario.
#[derive(Clone)]
pub(crate) struct Figures(BTreeMap<String, Figure>);

impl Figure {
    /// The figures of one call, from the sum of this number of calls.
    pub(crate) fn per(self, calls: u64) -> Self {
        let per = |total: u64| (total + calls / 2) / calls;
        Self {
            instructions: per(self.instructions),
            allocations: per(self.allocations),
            bytes: per(self.bytes),
        }
    }

    /// The figures with their names and the smallest difference that counts.
    fn columns(self) -> [(&'static str, u64, u64); 3] {
        [
            ("instructions", self.instructions, 1),
            ("allocations", self.allocations, 1),
            ("bytes", self.bytes, 64),
        ]
    }
}

/// The scenario whose body is read in several pieces.
const LONG_BODY: &str = "echo-64k";

impl Figures {
    pub(crate) fn new(figures: impl Iterator<Item = (String, Figure)>) -> Self {
        Self(figures.collect())
    }

    /// The figures of `benches/counters.tsv`; none if the file does not exist.
    pub(crate) fn checked_in() -> Self {
        let text = fs::read_to_string(path()).unwrap_or_default();
        Self::new(text.lines().skip(1).map(|line| {
            let mut columns = line.split('\t');
            let name = columns.next().unwrap().to_owned();
            let mut number = || columns.next().unwrap().parse().unwrap();
            let figure = Figure {
                instructions: number(),
                allocations: number(),
                bytes: number(),
            };
            (name, figure)
        }))
    }

    /// Writes `benches/counters.tsv`.
    pub(crate) fn check_in(&self) {
        let mut text = "scenario\tinstructions\tallocations\tbytes\n".to_owned();
        for (name, figure) in self.in_order() {
            let [(_, instructions, _), (_, allocations, _), (_, bytes, _)] = figure.columns();
            writeln!(text, "{name}\t{instructions}\t{allocations}\t{bytes}").unwrap();
        }
        fs::write(path(), text).unwrap();
    }

    /// These figures, replaced by the figures of `newer` where it has any.
    pub(crate) fn updated(mut self, newer: Self) -> Self {
        self.0.extend(newer.0);
        self
    }

    /// Figures that are a tenth better. Compared with them, all of these are worse.
    pub(crate) fn tenth_better(&self) -> Self {
        let tenth = |value: u64| value * 9 / 10;
        let better = |figure: &Figure| Figure {
            instructions: tenth(figure.instructions),
            ..*figure
        };
        Self::new(
            self.0
                .iter()
                .map(|(name, figure)| (name.clone(), better(figure))),
        )
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// A sentence for each scenario that `others` lack.
    pub(crate) fn unknown_to(&self, others: &Self) -> Vec<String> {
        let names = self.in_order().map(|(name, _)| name);
        names
            .filter(|name| !others.0.contains_key(*name))
            .map(|name| format!("{name} has no figure in counters.tsv"))
            .collect()
    }

    /// A sentence for each figure that is more than 5 % above the figure of `others`.
    pub(crate) fn worse_than(&self, others: &Self) -> Vec<String> {
        let mut complaints = Vec::new();
        for (name, figure) in self.in_order() {
            let Some(before) = others.0.get(name) else {
                continue;
            };
            for ((what, now, least), (_, before, _)) in
                figure.columns().into_iter().zip(before.columns())
            {
                // The number of pieces of a long body depends on the socket.
                let pieces = if (name, what) == (LONG_BODY, "allocations") {
                    4
                } else {
                    0
                };
                if now * 100 > before * 105 && now >= before + least + pieces {
                    complaints.push(format!(
                        "{name}: {now} {what} a call, {before} are checked in"
                    ));
                }
            }
        }
        complaints
    }

    /// A sentence if a call beside many tools costs more than a call beside few.
    pub(crate) fn growth(&self) -> Option<String> {
        let of = |name| self.0.get(name).map(|figure| figure.instructions);
        let (few, many) = (of(ONE_OF_FEW)?, of(ONE_OF_MANY)?);
        (many * 100 > few * 105)
            .then(|| format!("{ONE_OF_MANY}: {many} instructions a call, {few} with {ONE_OF_FEW}"))
    }

    /// A table of the scenarios with their figures and changes.
    pub(crate) fn table(&self, checked_in: &Self) -> String {
        let mut table = format!(
            "{:<14} {:>13} {:>8} {:>12} {:>8} {:>9} {:>8}\n",
            "a call of", "instructions", "", "allocations", "", "bytes", ""
        );
        for (name, figure) in self.in_order() {
            let before = checked_in.0.get(name).map(|before| before.columns());
            let [(_, instructions, _), (_, allocations, _), (_, bytes, _)] = figure.columns();
            let change = |column: usize, now: u64| match before {
                Some(before) if before[column].1 > 0 => {
                    let before = before[column].1 as f64;
                    format!("{:+.1} %", (now as f64 - before) / before * 100.0)
                }
                Some(_) | None => String::new(),
            };
            writeln!(
                table,
                "{name:<14} {instructions:>13} {:>8} {allocations:>12} {:>8} {bytes:>9} {:>8}",
                change(0, instructions),
                change(1, allocations),
                change(2, bytes),
            )
            .unwrap();
        }
        table
    }

    fn in_order(&self) -> impl Iterator<Item = (&str, Figure)> {
        NAMES
            .into_iter()
            .filter_map(|name| Some((name, *self.0.get(name)?)))
    }
}

fn path() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("counters.tsv")
}
