//! The rate limits of calls: decides which limits count a call, and counts. A call is the use of a tool, a prompt or a
//! resource, or a completion request.
//!
//! The rates of the server count every call of a tool that exists. They count every request for a prompt, a resource or
//! a completion, also for an unknown name. The rates of a tool, a prompt or a resource count the calls that its guard
//! allowed. If any rate refuses a call, no rate counts the call.

use std::fmt::{self, Debug};
use std::future::{Ready, ready};
use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{BoxFuture, Either};

use crate::identity::{Caller, Clock, Org};
use crate::limits::{Key, OverLimit, Party, Windows};
use crate::primitive::{Per, Rate, Served};

/// The rate limits of the server, and the counts of all calls.
#[derive(Debug)]
pub(super) struct Rates {
    /// The rate limits over all tools, prompts and resources.
    server: Vec<Rate>,
    store: Box<dyn Store>,
}

/// The data of a call that rates need.
#[derive(Clone, Copy)]
pub(super) struct Counting<'a> {
    /// The tool, the prompt or the resource. `None` if only the rates of the server count the request.
    pub(super) tool: Option<&'a Served>,
    /// True if the guard allowed the call, so that the rates of the called primitive count the call.
    pub(super) allowed: bool,
    pub(super) caller: Option<&'a Caller>,
    pub(super) org: Option<&'a Org>,
    /// The network that the call counts for if the call has no token.
    pub(super) party: Party,
}

/// The limit that refused a call. Its `Display` is the text for the client.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Limited {
    /// The number of running calls has reached the declared `concurrency`.
    Concurrency(u32),
    Rate {
        rate: Rate,
        /// The kind of caller that the rate counts, such as `user` or `network`.
        whom: &'static str,
        /// The time until the window ends.
        wait: Duration,
    },
}

/// Stores the counts of calls. The methods are asynchronous, because servers that share their counts would need a store
/// outside the process.
trait Store: Debug + Send + Sync {
    /// Counts a call for each of the rates if all of the rates allow the call. Otherwise counts the call for no rate.
    fn take(&self, counts: &[Count<'_>]) -> Counted;

    /// Returns the error with which [`take`](Self::take) would refuse the call, without counting the call.
    fn peek(&self, counts: &[Count<'_>]) -> Counted;
}

/// For counts in memory, the result is ready at once and needs no allocation.
type Counted = Either<Ready<Result<(), Limited>>, BoxFuture<'static, Result<(), Limited>>>;

/// A rate, and the caller that a call counts for under this rate.
#[derive(Clone, Copy, Debug)]
struct Count<'a> {
    /// The key of the tool, the prompt or the resource. `None` for a rate of the server.
    tool: Option<&'a str>,
    /// The index of the rate among the rates of the primitive, or of the server.
    place: usize,
    rate: Rate,
    whose: Whose<'a>,
    /// The kind of the caller, in words.
    whom: &'static str,
}

/// The caller whose calls are counted together.
#[derive(Clone, Copy, Debug)]
enum Whose<'a> {
    Client(&'a str),
    Org(&'a str),
    /// The callers without a token of one network.
    Stranger(Party),
    /// A user, a machine, or an organization that an API key belongs to.
    Subject(&'a str),
}

impl Rates {
    /// Counts calls in the memory of this process.
    pub(super) fn in_memory(server: Vec<Rate>, clock: &Arc<dyn Clock>) -> Self {
        Self {
            server,
            store: Box::new(InMemory {
                callers: Windows::new(Arc::clone(clock), MOST_WINDOWS),
                strangers: Windows::new(Arc::clone(clock), MOST_WINDOWS),
            }),
        }
    }

    /// Counts a call, or returns the limit that refuses it.
    ///
    /// # Errors
    ///
    /// If several rates refuse the call, [`Limited`] names the rate with the longest wait.
    pub(super) async fn take(&self, call: Counting<'_>) -> Result<(), Limited> {
        // Most functions declare no rate. Their calls need no allocation.
        if let ([rate], []) = (&*self.server, call.own_rates()) {
            return self.store.take(&[call.count(None, 0, *rate)]).await;
        }
        self.store.take(&self.counts(call)).await
    }

    /// Counts a further run of a function for the rates that the function declares, and not for the rates of the server.
    ///
    /// # Errors
    ///
    /// The error with which [`take`](Self::take) would refuse the call.
    pub(super) async fn take_own(&self, call: Counting<'_>) -> Result<(), Limited> {
        let counts: Vec<_> = call.own_counts().collect();
        self.store.take(&counts).await
    }

    /// Returns the limit that would refuse a call. Counts nothing.
    ///
    /// # Errors
    ///
    /// The error with which [`take`](Self::take) would refuse the call.
    pub(super) async fn peek(&self, call: Counting<'_>) -> Result<(), Limited> {
        self.store.peek(&self.counts(call)).await
    }

    fn counts<'a>(&self, call: Counting<'a>) -> Vec<Count<'a>> {
        let server = self.server.iter().enumerate();
        let server = server.map(|(place, rate)| call.count(None, place, *rate));
        server.chain(call.own_counts()).collect()
    }
}

impl<'a> Counting<'a> {
    /// Returns the rates that the called primitive declares; none if the guard denied the call.
    fn own_rates(self) -> &'static [Rate] {
        match self.tool {
            Some(tool) if self.allowed => tool.rates(),
            Some(_) | None => &[],
        }
    }

    fn own_counts(self) -> impl Iterator<Item = Count<'a>> {
        let own = self.own_rates().iter().enumerate();
        own.map(move |(place, rate)| self.count(self.tool.map(Served::key), place, *rate))
    }

    fn count(self, tool: Option<&'a str>, place: usize, rate: Rate) -> Count<'a> {
        let (whose, whom) = self.whose(rate.per());
        Count {
            tool,
            place,
            rate,
            whose,
            whom,
        }
    }

    fn whose(self, per: Per) -> (Whose<'a>, &'static str) {
        let Some(caller) = self.caller else {
            return (Whose::Stranger(self.party), "network");
        };
        let named = match per {
            Per::Client => caller.client_id().map(|id| (Whose::Client(id), "client")),
            Per::Org => self.org.map(|org| (Whose::Org(org.id()), "organization")),
            Per::User => None,
        };
        named.unwrap_or_else(|| {
            let whom = match caller {
                caller if caller.is_user() => "user",
                caller if caller.machine_id().is_some() => "machine",
                _ => "organization",
            };
            (Whose::Subject(caller.subject()), whom)
        })
    }
}

impl Limited {
    /// The time after which the client may try again, in whole seconds, at least one.
    pub(super) fn retry_after(self) -> u64 {
        match self {
            Self::Concurrency(_) => 1,
            Self::Rate { wait, .. } => wait.as_secs() + u64::from(wait.subsec_nanos() > 0),
        }
    }

    /// The setting of the limit, for metrics.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Concurrency(_) => "concurrency",
            Self::Rate { .. } => "rates",
        }
    }

    /// The limit as declared, for the log.
    pub(super) fn reason(self) -> String {
        match self {
            Self::Concurrency(most) => format!("concurrency {most}"),
            Self::Rate { rate, .. } => format!("rate {rate}"),
        }
    }
}

impl fmt::Display for Limited {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Concurrency(1) => f.write_str("Concurrency limit: 1 call at a time")?,
            Self::Concurrency(most) => write!(f, "Concurrency limit: {most} calls at a time")?,
            Self::Rate { rate, whom, .. } => write!(f, "Rate limit: {}", rate.in_words(whom))?,
        }
        write!(f, "; retry in {} s", self.retry_after())
    }
}

/// Counts calls in fixed windows. Callers without a token have a separate table, so that many
/// networks cannot evict the windows of callers with a token.
#[derive(Debug)]
struct InMemory {
    callers: Windows,
    strangers: Windows,
}

impl InMemory {
    /// Returns the table of a call. All counts of one call are for the same caller, and therefore in the same table.
    fn windows(&self, counts: &[Count<'_>]) -> &Windows {
        match counts.first().map(|count| count.whose) {
            Some(Whose::Stranger(_)) => &self.strangers,
            Some(Whose::Client(_) | Whose::Org(_) | Whose::Subject(_)) | None => &self.callers,
        }
    }
}

impl Store for InMemory {
    fn take(&self, counts: &[Count<'_>]) -> Counted {
        let windows = self.windows(counts);
        let taken = match counts {
            [count] => windows
                .take(count.key(windows), count.rate.limit())
                .map_err(|wait| count.limited(wait)),
            counts => {
                let limits = counts.iter();
                let limits = limits.map(|count| (count.key(windows), count.rate.limit(), count));
                windows
                    .take_all(&limits.collect::<Vec<_>>())
                    .map_err(|OverLimit { by, wait }| by.limited(wait))
            }
        };
        Either::Left(ready(taken))
    }

    fn peek(&self, counts: &[Count<'_>]) -> Counted {
        let windows = self.windows(counts);
        let waits = counts.iter().filter_map(|count| {
            let wait = windows.wait(count.key(windows), count.rate.limit())?;
            Some((wait, count))
        });
        let longest = waits.max_by_key(|(wait, _)| *wait);
        Either::Left(ready(match longest {
            Some((wait, count)) => Err(count.limited(wait)),
            None => Ok(()),
        }))
    }
}

impl Count<'_> {
    fn key(&self, windows: &Windows) -> Key {
        windows.key(self)
    }

    fn limited(&self, wait: Duration) -> Limited {
        Limited::Rate {
            rate: self.rate,
            whom: self.whom,
            wait,
        }
    }
}

/// Hashes only the data that distinguishes two counts, because hashing is most of the cost of a count.
impl Hash for Count<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let (kind, id) = match self.whose {
            Whose::Client(id) => (0, id),
            Whose::Org(id) => (1, id),
            Whose::Subject(id) => (2, id),
            Whose::Stranger(party) => {
                party.hash(state);
                (3, "")
            }
        };
        state.write_usize(self.place * 4 + kind);
        state.write(id.as_bytes());
        if let Some(tool) = self.tool {
            // A string never contains this byte, so an id alone and an id followed by a key have
            // different hashes.
            state.write_u8(0xff);
            state.write(tool.as_bytes());
        }
    }
}

/// The largest number of windows in each of the two tables. A window takes about 100 bytes.
const MOST_WINDOWS: usize = 1 << 16;

/// The member of `_meta` with the number of seconds after which a refused call may be retried.
pub(crate) const RETRY_AFTER: &str = "mcp-auth-rs/retryAfter";

#[cfg(test)]
mod tests;
