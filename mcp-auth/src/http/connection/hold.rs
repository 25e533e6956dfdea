//! Enforces the deadlines of one connection.

use std::future::poll_fn;
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;

use tokio::time::{Instant, sleep_until};

use super::signals::{Late, Signals};

/// Runs actix's future for a connection until the future completes, the connection misses a
/// deadline, or the connection is evicted. Then drops the future together with its stream.
///
/// Run the future in a Tokio task of its own. The connection always wakes the task that polled the future for the first time.
pub(super) async fn hold(dispatcher: impl Future, signals: Rc<Signals>) {
    let mut dispatcher = pin!(dispatcher);
    let mut timer = pin!(sleep_until(Instant::now()));
    let mut is_set = false;
    poll_fn(|cx| {
        signals.register(cx.waker());
        let mut turns = 0;
        loop {
            signals.begin_turn();
            if dispatcher.as_mut().poll(cx).is_ready() || signals.is_evicted() {
                return Poll::Ready(());
            }
            if !signals.has_more() {
                break;
            }
            turns += 1;
            if turns == MOST_TURNS {
                cx.waker().wake_by_ref();
                break;
            }
        }
        // Reset the timer only if it would fire too late. Usually the timer fires too early, and is reset then.
        loop {
            let Some((at, late)) = signals.deadline() else {
                return Poll::Pending;
            };
            if is_set && !timer.is_elapsed() && timer.deadline() <= at {
                return Poll::Pending;
            }
            is_set = true;
            if Instant::now() >= at {
                match late {
                    Late::Head => signals.say_at_the_end(REQUEST_TIMEOUT),
                    Late::TooLong => signals.say_at_the_end(HEAD_TOO_LARGE),
                    Late::Idle | Late::Write => {}
                }
                return Poll::Ready(());
            }
            timer.as_mut().reset(at);
            if timer.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
        }
    })
    .await;
}

/// The number of exchanges in a row after which the other tasks of the thread get a turn.
const MOST_TURNS: u32 = 16;
const REQUEST_TIMEOUT: &[u8] =
    b"HTTP/1.1 408 Request Timeout\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
const HEAD_TOO_LARGE: &[u8] =
    b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
