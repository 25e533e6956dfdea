use actix_web::error::PayloadError;
use futures_util::{StreamExt, stream};

use crate::limits::{Network, Shares};

use super::*;

const KIB: usize = 1024;

fn pool(known: usize) -> Arc<Pool> {
    Arc::new(Pool::new(Shares::of(4 * known, known, 1)))
}

/// A body of these chunks. Each chunk arrives a few turns of the runtime after the previous chunk.
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
        let payload: Pin<Box<dyn Stream<Item = Result<Bytes, PayloadError>>>> = Box::pin(at_once);
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
