//! Reading a body, against a limit, a deadline, a least rate, and a budget of bytes that all bodies share.
//!
//! actix polls a handler before it has handed over any of the body, and again when it has, mostly
//! within the same turn: what came with the head is there then, and needs no timer.

use std::error::Error;
use std::future::poll_fn;
use std::mem;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use actix_web::HttpResponse;
use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::dev::Payload;
use bytes::{Bytes, BytesMut};
use futures_util::{Stream, poll};
use tokio::time::{Instant, timeout_at};

use crate::limits::{Exhausted, Party, Pool, Taken};

/// Why there is no body.
#[derive(Debug)]
pub(super) enum Unread {
    /// It broke off.
    Broken,
    /// Too many bytes of bodies are held already: this share is used up.
    Exhausted(Exhausted),
    /// It took too long to arrive, or arrived too slowly.
    Late,
    /// It is longer than it may be.
    TooLong,
}

/// A body, and how far it is.
pub(super) struct Incoming {
    payload: Payload,
    is_begun: bool,
    is_over: bool,
    /// Where it ends, in bytes, if actix does not say so.
    end: Option<usize>,
}

impl Incoming {
    pub(super) fn new(payload: Payload) -> Self {
        Self {
            payload,
            is_begun: false,
            is_over: false,
            end: None,
        }
    }

    /// Has it end after so many bytes. actix takes all that follows the head of a request to go over to WebSocket
    /// for the body; what follows the declared length is never read as a request, as the connection closes.
    pub(super) fn ends_after(&mut self, length: usize) {
        self.end = Some(length);
    }

    /// Reads all of the body, of at most `limit` bytes; `declared` is the length that the head says.
    ///
    /// The bytes count in the budget until they are dropped. A declared length counts before the first byte is
    /// read, and a body of unknown length as it arrives. A short body does not count: the number of connections bounds
    /// how many there are.
    pub(super) async fn read(
        &mut self,
        declared: Option<usize>,
        limit: usize,
        deadline: Duration,
        budget: Budget<'_>,
    ) -> Result<Bytes, Unread> {
        let mut gathered = Gathered::new(budget, limit, declared);
        if let Some(long) = declared.filter(|length| *length > UNCOUNTED) {
            gathered.count(long)?;
        }
        self.is_begun = true;
        let mut pace = None;
        let mut is_second_turn = false;
        while self.end != Some(gathered.len()) {
            let mut next = poll_fn(|cx| Pin::new(&mut self.payload).poll_next(cx));
            let chunk = match poll!(&mut next) {
                Poll::Ready(chunk) => chunk,
                Poll::Pending if !mem::replace(&mut is_second_turn, true) => {
                    polled_again().await;
                    continue;
                }
                Poll::Pending => {
                    let pace = pace.get_or_insert_with(|| Pace::new(Instant::now(), deadline));
                    match timeout_at(pace.next_check(), next).await {
                        Ok(chunk) => chunk,
                        Err(_) if pace.holds(Instant::now(), gathered.len()) => continue,
                        Err(_) => return Err(Unread::Late),
                    }
                }
            };
            let Some(chunk) = chunk else { break };
            let mut chunk = chunk.map_err(|_| Unread::Broken)?;
            if let Some(end) = self.end {
                chunk.truncate(end - gathered.len());
            }
            gathered.add(chunk)?;
        }
        self.is_over = self.end.is_none();
        Ok(gathered.into_bytes())
    }

    /// Passes over what has come of it, if nobody began to read it: actix closes a connection on which
    /// something is left.
    pub(super) async fn pass_over(&mut self) {
        if self.is_begun {
            return;
        }
        self.is_over = self.has_come();
        if !self.is_over {
            polled_again().await;
            self.is_over = self.has_come();
        }
    }

    /// Takes what has come; returns whether that was the end.
    fn has_come(&mut self) -> bool {
        let mut idle = Context::from_waker(Waker::noop());
        loop {
            match Pin::new(&mut self.payload).poll_next(&mut idle) {
                Poll::Ready(Some(Ok(_))) => {}
                Poll::Ready(None) => return true,
                Poll::Ready(Some(Err(_))) | Poll::Pending => return false,
            }
        }
    }

    /// Has the connection closed after this answer if there is more to come. actix does so where it sees
    /// that a body is left, and would read one that was dropped to its end, if it ever has one.
    pub(super) fn end_with(self, answer: HttpResponse) -> HttpResponse {
        if self.is_over {
            return answer;
        }
        let unread = self.payload;
        let answer = answer.map_body(|_, body| Left {
            body,
            _unread: unread,
        });
        answer.map_into_boxed_body()
    }
}

/// The body of an answer, with what was left of the request's.
struct Left {
    body: BoxBody,
    _unread: Payload,
}

impl MessageBody for Left {
    type Error = Box<dyn Error>;

    fn size(&self) -> BodySize {
        self.body.size()
    }

    fn poll_next(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Self::Error>>> {
        Pin::new(&mut self.body).poll_next(cx)
    }
}

/// The budget that the bytes of a body count in, and whom they count for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Budget<'a> {
    pub(super) pool: &'a Arc<Pool>,
    pub(super) party: Party,
}

/// The chunks of a body as one; where there is but one it is not copied.
struct Gathered<'a> {
    budget: Budget<'a>,
    limit: usize,
    declared: Option<usize>,
    first: Bytes,
    all: BytesMut,
    counted: Option<Taken>,
}

impl<'a> Gathered<'a> {
    fn new(budget: Budget<'a>, limit: usize, declared: Option<usize>) -> Self {
        Self {
            budget,
            limit,
            declared,
            first: Bytes::new(),
            all: BytesMut::new(),
            counted: None,
        }
    }

    fn len(&self) -> usize {
        self.first.len() + self.all.len()
    }

    fn add(&mut self, chunk: Bytes) -> Result<(), Unread> {
        let before = self.len();
        if chunk.len() > self.limit.saturating_sub(before) {
            return Err(Unread::TooLong);
        }
        let after = before + chunk.len();
        if after > UNCOUNTED || self.counted.is_some() {
            // The buffer of a body of unknown length grows by doubling, so the counted bytes double
            // too.
            let counted = self.counted.as_ref().map_or(0, Taken::amount);
            if after > counted {
                self.count(after.max((2 * counted).min(self.limit)))?;
            }
        }
        if before == 0 {
            self.first = chunk;
            return Ok(());
        }
        if self.all.is_empty() {
            // Only as much as is counted is allocated ahead. A body that is not counted is short.
            let counted = self.counted.as_ref().map(Taken::amount);
            let short = self.declared.unwrap_or(after).min(UNCOUNTED);
            self.all.reserve(counted.unwrap_or(short).max(after));
            self.all.extend_from_slice(&mem::take(&mut self.first));
        }
        self.all.extend_from_slice(&chunk);
        Ok(())
    }

    /// Counts so many bytes in all.
    fn count(&mut self, bytes: usize) -> Result<(), Unread> {
        let counted = match &mut self.counted {
            Some(taken) => taken.grow(bytes.saturating_sub(taken.amount())),
            None => {
                let taken = self.budget.pool.take(self.budget.party, bytes);
                taken.map(|taken| self.counted = Some(taken))
            }
        };
        counted.map_err(Unread::Exhausted)
    }

    /// The body; what was counted counts until its last slice is dropped.
    fn into_bytes(self) -> Bytes {
        let bytes = if self.all.is_empty() {
            self.first
        } else {
            self.all.freeze()
        };
        match self.counted {
            Some(counted) => Bytes::from_owner(CountedBytes {
                bytes,
                _counted: counted,
            }),
            None => bytes,
        }
    }
}

/// Bytes that count until they are dropped.
struct CountedBytes {
    bytes: Bytes,
    _counted: Taken,
}

impl AsRef<[u8]> for CountedBytes {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

/// How fast a body has to arrive: in each window at least [`LEAST_IN_WINDOW`] bytes, and all of it before the
/// deadline.
#[derive(Debug)]
struct Pace {
    end: Instant,
    window: Duration,
    window_end: Instant,
    /// Bytes that had come when the window began.
    before: usize,
}

impl Pace {
    fn new(now: Instant, deadline: Duration) -> Self {
        let deadline = deadline.min(LONGEST);
        let window = deadline / WINDOWS;
        Self {
            end: now + deadline,
            window,
            window_end: now + window,
            before: 0,
        }
    }

    /// When to look next.
    fn next_check(&self) -> Instant {
        self.window_end.min(self.end)
    }

    /// Whether a body of which so many bytes have come is fast enough; begins the next window then.
    fn holds(&mut self, now: Instant, come: usize) -> bool {
        let fast = come.saturating_sub(self.before) >= LEAST_IN_WINDOW;
        self.before = come;
        self.window_end = now + self.window;
        fast && now < self.end
    }
}

/// Ends when it is polled a second time, which it asks for.
async fn polled_again() {
    let mut before = false;
    poll_fn(|cx| {
        if mem::replace(&mut before, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// In bytes: a body of at most this length does not count in the budget.
const UNCOUNTED: usize = 16 * 1024;
/// Windows within the deadline of a body: of 5 s each, if the deadline is 30 s.
const WINDOWS: u32 = 6;
/// A deadline that never comes, and that can be added to any time.
const LONGEST: Duration = Duration::from_secs(365 * 24 * 60 * 60);
/// In bytes.
const LEAST_IN_WINDOW: usize = 16 * 1024;

#[cfg(test)]
mod tests {
    use actix_web::error::PayloadError;
    use futures_util::{StreamExt, stream};

    use crate::limits::{Network, Shares};

    use super::*;

    const KIB: usize = 1024;

    fn pool(known: usize) -> Arc<Pool> {
        Arc::new(Pool::new(Shares::of(4 * known, known, 1)))
    }

    /// A body of these chunks, each of which comes a turn of the runtime later than the one before.
    fn body(chunks: Vec<usize>) -> Incoming {
        let chunks = stream::iter(chunks).then(|length| async move {
            for _ in 0..4 {
                tokio::task::yield_now().await;
            }
            Ok::<_, PayloadError>(Bytes::from(vec![b'x'; length]))
        });
        let payload: Pin<Box<dyn Stream<Item = Result<Bytes, PayloadError>>>> = Box::pin(chunks);
        Incoming::new(Payload::Stream { payload })
    }

    async fn read(
        pool: &Arc<Pool>,
        party: Party,
        declared: Option<usize>,
        chunks: Vec<usize>,
    ) -> Result<Bytes, Unread> {
        let budget = Budget { pool, party };
        let mut body = body(chunks);
        body.read(declared, 1024 * KIB, Duration::from_secs(30), budget)
            .await
    }

    const ADA: Party = Party::Known(1);
    const GRACE: Party = Party::Known(2);

    #[actix_web::test]
    async fn a_body_counts_until_its_last_slice_is_dropped() {
        for declared in [Some(96 * KIB), None] {
            let pool = pool(128 * KIB);
            let body = read(&pool, ADA, declared, vec![32 * KIB; 3]).await.unwrap();
            assert_eq!(body.len(), 96 * KIB);
            let slice = body.slice(10..20);
            drop(body);
            let second = read(&pool, ADA, declared, vec![32 * KIB; 3]).await;
            assert!(matches!(second, Err(Unread::Exhausted(Exhausted::Known))));
            assert!(
                read(&pool, GRACE, declared, vec![32 * KIB; 3])
                    .await
                    .is_ok()
            );
            drop(slice);
            assert!(read(&pool, ADA, declared, vec![32 * KIB; 3]).await.is_ok());
            assert!(pool.take(ADA, 128 * KIB).is_ok());
        }
    }

    #[actix_web::test]
    async fn a_declared_length_counts_before_the_first_byte_is_read() {
        let pool = pool(128 * KIB);
        let _other = pool.take(ADA, 64 * KIB).unwrap();
        let mut body = body(vec![100 * KIB]);
        let budget = Budget {
            pool: &pool,
            party: ADA,
        };
        let read = body.read(Some(100 * KIB), 1024 * KIB, Duration::from_secs(30), budget);
        assert!(matches!(
            read.await,
            Err(Unread::Exhausted(Exhausted::Known))
        ));
        assert!(!body.is_begun);
    }

    #[actix_web::test]
    async fn a_short_body_does_not_count() {
        let pool = pool(32 * KIB);
        let stranger = Party::Stranger(Network::of([192, 0, 2, 1].into()));
        let _full = (
            pool.take(ADA, 32 * KIB).unwrap(),
            pool.take(stranger, 8 * KIB).unwrap(),
        );
        for party in [ADA, stranger] {
            let at_once = stream::iter([Ok::<_, PayloadError>(Bytes::from_static(b"{}"))]);
            let payload: Pin<Box<dyn Stream<Item = Result<Bytes, PayloadError>>>> =
                Box::pin(at_once);
            let mut body = Incoming::new(Payload::Stream { payload });
            let budget = Budget { pool: &pool, party };
            let read = body.read(Some(2), 1024, Duration::from_secs(30), budget);
            assert_eq!(read.await.unwrap(), "{}");
            let later = read_short(&pool, party).await;
            assert_eq!(later.unwrap().len(), 2 * KIB);
        }
    }

    async fn read_short(pool: &Arc<Pool>, party: Party) -> Result<Bytes, Unread> {
        read(pool, party, Some(2 * KIB), vec![KIB; 2]).await
    }

    #[test]
    fn a_body_has_to_bring_so_many_bytes_in_each_window_and_to_end_in_time() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut pace = Pace::new(start, Duration::from_secs(30));
        assert_eq!(pace.next_check(), at(5));
        assert!(pace.holds(at(5), 16 * KIB));
        assert_eq!(pace.next_check(), at(10));
        assert!(!pace.holds(at(10), 32 * KIB - 1));
        let mut pace = Pace::new(start, Duration::from_secs(30));
        for window in 1..6 {
            assert!(pace.holds(at(5 * window), 1024 * KIB * window as usize));
        }
        assert_eq!(pace.next_check(), at(30));
        assert!(!pace.holds(at(30), 9 * 1024 * KIB));
    }
}
