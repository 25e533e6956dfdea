//! The JSON document of a revocation file.
//!
//! The server uses a whole document or nothing of it. An unknown member is an error, because a misspelt member would revoke
//! nothing.

use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, Error, MapAccess, Unexpected, Visitor};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::list::List;
use super::revocation::{FOREVER, IdKind, Revocation, What};

/// The reason why a document cannot be used. The reason has the position of the mistake, and no content of the document.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub(crate) enum Malformed {
    /// The text ends too early. Perhaps a program is still writing the file.
    #[error("it ends too early, in line {line}")]
    Incomplete { line: usize },
    /// The text is not valid JSON.
    #[error("it is not valid JSON: error in line {line}, column {column}")]
    NotJson { line: usize, column: usize },
    /// The JSON does not have the form of a revocation file.
    #[error(
        "line {line}, column {column} does not fit the format; the cause is an unknown, missing or repeated member, an empty id, a time that does \
         not have the form `2026-01-31T12:00:00Z`, or a value of the wrong type"
    )]
    NotTheFormat { line: usize, column: usize },
    /// The document has another version.
    #[error("its `version` is {0}, and this server reads version 1")]
    Version(u64),
}

impl List {
    /// Reads a document.
    pub(super) fn read(text: &[u8]) -> Result<Self, Malformed> {
        let document: Document = serde_json::from_slice(text).map_err(|error| {
            let (line, column) = (error.line(), error.column());
            // The text of the error can contain a value of the document.
            match error.classify() {
                serde_json::error::Category::Eof => Malformed::Incomplete { line },
                serde_json::error::Category::Syntax => Malformed::NotJson { line, column },
                serde_json::error::Category::Data | serde_json::error::Category::Io => {
                    Malformed::NotTheFormat { line, column }
                }
            }
        })?;
        if document.version != VERSION {
            return Err(Malformed::Version(document.version));
        }
        Ok(document.into_list())
    }
}

/// A revocation file. `docs/revocation.md` describes it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    version: u64,
    #[serde(default)]
    subjects: Vec<Entry>,
    #[serde(default)]
    clients: Vec<Entry>,
    #[serde(default)]
    sessions: Vec<Entry>,
    #[serde(default)]
    tokens: Vec<Entry>,
    #[serde(default)]
    organizations: Vec<Entry>,
    #[serde(default)]
    not_before: NotBefore,
    /// `null` is an error, because `null` could mean no client or every client.
    #[serde(default, deserialize_with = "some")]
    allowed_clients: Option<Vec<Id>>,
}

/// An id, or an id with the time until which it is revoked.
struct Entry {
    id: Id,
    until: Option<Time>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct NotBefore {
    #[serde(default, deserialize_with = "some")]
    all: Option<Time>,
    #[serde(default)]
    subjects: BTreeMap<Id, Time>,
}

/// A text that is not empty.
#[derive(Eq, Ord, PartialEq, PartialOrd)]
struct Id(Box<str>);

/// A time of day in milliseconds since 1970, written as in RFC 3339.
#[derive(Clone, Copy)]
struct Time(u64);

impl Document {
    fn into_list(self) -> List {
        let mut list = List::default();
        for (kind, entries) in [
            (IdKind::Subject, self.subjects),
            (IdKind::Client, self.clients),
            (IdKind::Session, self.sessions),
            (IdKind::Token, self.tokens),
            (IdKind::Organization, self.organizations),
        ] {
            for Entry { id: Id(id), until } in entries {
                list.insert(Revocation {
                    what: What::Id(kind, id),
                    until_ms: until.map_or(FOREVER, |Time(ms)| ms),
                });
            }
        }
        let NotBefore { all, subjects } = self.not_before;
        let all = all.map(|Time(ms)| What::TokensBefore(ms));
        let subjects = subjects.into_iter();
        let subjects = subjects.map(|(Id(id), Time(ms))| What::TokensOfSubjectBefore(id, ms));
        for what in all.into_iter().chain(subjects) {
            list.insert(Revocation {
                what,
                until_ms: FOREVER,
            });
        }
        let allowed = self.allowed_clients;
        list.allowed_clients = allowed.map(|ids| ids.into_iter().map(|Id(id)| id).collect());
        list
    }
}

/// Reads a value that must not be `null`.
fn some<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

impl<'de> Deserialize<'de> for Entry {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Until {
            id: Id,
            #[serde(default, deserialize_with = "some")]
            until: Option<Time>,
        }
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = Entry;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an id, or an object with `id` and `until`")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Entry, E> {
                let id = Id::new(text)?;
                Ok(Entry { id, until: None })
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Entry, A::Error> {
                let Until { id, until } = Until::deserialize(MapAccessDeserializer::new(map))?;
                Ok(Entry { id, until })
            }
        }
        deserializer.deserialize_any(Either)
    }
}

impl Id {
    /// An id contains no blanks. An entry with a blank that an editor added would match nothing.
    fn new<E: Error>(text: &str) -> Result<Self, E> {
        if text.is_empty() || text.contains(|c: char| c.is_whitespace() || c.is_control()) {
            return Err(E::invalid_value(Unexpected::Other("a text"), &"an id"));
        }
        Ok(Self(text.into()))
    }
}

impl<'de> Deserialize<'de> for Id {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::new(&text)
    }
}

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let time = OffsetDateTime::parse(&text, &Rfc3339).ok();
        let ms = time.and_then(|time| u64::try_from(time.unix_timestamp_nanos() / 1_000_000).ok());
        let invalid = || D::Error::invalid_value(Unexpected::Other("a text"), &"a time");
        ms.map(Self).ok_or_else(invalid)
    }
}

/// The version of the format.
const VERSION: u64 = 1;
