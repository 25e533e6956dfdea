//! Checks whether two templates can match the same URI.
//!
//! Both templates become automata over the characters of a URI before decoding. A search of the product of the automata
//! looks for a text that both accept. The automata implement the rules about the characters of each kind of variable,
//! and the rules about the pairs of a query. They ignore the rules about decoded values. They therefore accept every
//! URI that `UriTemplate::matches` accepts, and a few more.

use std::collections::{BTreeSet, HashMap, VecDeque};

use super::{Class, UriPart};

/// Returns true if the automata of both templates accept a common text.
pub(super) fn share_a_uri(left: &[UriPart], right: &[UriPart]) -> bool {
    let (left, right) = (Automaton::new(left), Automaton::new(right));
    let mut pending = VecDeque::from([(0, 0, BTreeSet::new())]);
    let mut visits: HashMap<_, Vec<BTreeSet<_>>> = HashMap::new();
    while let Some((at_left, at_right, begun)) = pending.pop_front() {
        // The earlier visit had begun fewer query variables, so it allows every continuation that this visit allows.
        let earlier = visits.entry((at_left, at_right)).or_default();
        if earlier.iter().any(|earlier| earlier.is_subset(&begun)) {
            continue;
        }
        earlier.push(begun.clone());

        let (Some(left), Some(right)) = (left.0.get(at_left), right.0.get(at_right)) else {
            continue;
        };
        if left.accepts && right.accepts {
            return true;
        }
        for (left, right) in left.common_edges(right) {
            let mut begun = begun.clone();
            let left_is_new = left
                .begins
                .is_none_or(|name| begun.insert((Side::Left, name)));
            let right_is_new = right
                .begins
                .is_none_or(|name| begun.insert((Side::Right, name)));
            if left_is_new && right_is_new {
                pending.push_back((left.to, right.to, begun));
            }
        }
    }
    false
}

#[derive(Clone, Copy, Eq, Ord, PartialEq, PartialOrd)]
enum Side {
    Left,
    Right,
}

/// A nondeterministic automaton over the characters of a URI before decoding. The first node is 0.
struct Automaton(Vec<Node>);

#[derive(Default)]
struct Node {
    accepts: bool,
    edges: Vec<Edge>,
}

#[derive(Clone, Copy)]
struct Edge {
    label: Label,
    to: usize,
    /// The query variable that begins with this edge. A URI may contain each variable once.
    begins: Option<&'static str>,
}

#[derive(Clone, Copy)]
enum Label {
    Any(Class),
    /// The first character of a variable, which is no separator.
    First(Class),
    One(char),
}

impl Automaton {
    fn new(parts: &[UriPart]) -> Self {
        let mut automaton = Self(vec![Node::default()]);
        let mut end = 0;
        for part in parts {
            match *part {
                UriPart::Literal(text) => end = automaton.add_text(end, text),
                UriPart::Variable { reserved, .. } => {
                    let class = Class::of_variable(reserved);
                    let label = Label::Any(class);
                    end = automaton.add_step(end, Label::First(class));
                    automaton.add_edge(end, end, label, None);
                }
                UriPart::Query { names, continued } => automaton.add_query(end, names, continued),
            }
        }
        automaton.accept(end);
        automaton
    }

    /// Adds a query after the node `from`. The query may also be absent.
    fn add_query(&mut self, from: usize, names: &[&'static str], continued: bool) {
        let mut pairs = Vec::new();
        for &name in names {
            let begin = self.add_node();
            let after_name = self.add_text(begin, name);
            let value = self.add_step(after_name, Label::One('='));
            self.add_edge(value, value, Label::Any(Class::Query), None);
            self.accept(value);
            pairs.push((name, begin, value));
        }
        let first = Label::One(if continued { '&' } else { '?' });
        for &(name, begin, _) in &pairs {
            self.add_edge(from, begin, first, Some(name));
            for &(_, _, value) in &pairs {
                self.add_edge(value, begin, Label::One('&'), Some(name));
            }
        }
    }

    /// Adds nodes for a text after the node `from` and returns the last of them.
    fn add_text(&mut self, from: usize, text: &str) -> usize {
        text.chars().fold(from, |end, character| {
            self.add_step(end, Label::One(character))
        })
    }

    fn add_step(&mut self, from: usize, label: Label) -> usize {
        let to = self.add_node();
        self.add_edge(from, to, label, None);
        to
    }

    fn add_node(&mut self) -> usize {
        self.0.push(Node::default());
        self.0.len() - 1
    }

    fn add_edge(&mut self, from: usize, to: usize, label: Label, begins: Option<&'static str>) {
        if let Some(node) = self.0.get_mut(from) {
            node.edges.push(Edge { label, to, begins });
        }
    }

    fn accept(&mut self, node: usize) {
        if let Some(node) = self.0.get_mut(node) {
            node.accepts = true;
        }
    }
}

impl Node {
    /// Returns the pairs of edges, one from each node, whose labels share a character.
    fn common_edges<'a>(&'a self, other: &'a Self) -> impl Iterator<Item = (&'a Edge, &'a Edge)> {
        self.edges.iter().flat_map(|left| {
            let common = other
                .edges
                .iter()
                .filter(|right| left.label.meets(right.label));
            common.map(move |right| (left, right))
        })
    }
}

impl Label {
    /// Returns true if the two labels share a character.
    fn meets(self, other: Self) -> bool {
        match (self, other) {
            // Every class of characters contains the letters.
            (Self::Any(_) | Self::First(_), Self::Any(_) | Self::First(_)) => true,
            (Self::First(class), Self::One(character))
            | (Self::One(character), Self::First(class)) => {
                class.contains(character) && character != '/'
            }
            (Self::Any(class), Self::One(character)) | (Self::One(character), Self::Any(class)) => {
                class.contains(character)
            }
            (Self::One(left), Self::One(right)) => left == right,
        }
    }
}
