//! A response body whose second half is shared with others: what is long and the same for many is not
//! copied for each.

use std::convert::Infallible;
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll};

use actix_web::body::{BodySize, MessageBody};
use bytes::Bytes;

/// One after the other; neither is empty.
#[derive(Debug)]
pub(super) struct Halves {
    first: Bytes,
    second: Bytes,
}

impl Halves {
    pub(super) fn new(first: Vec<u8>, second: Bytes) -> Self {
        Self {
            first: Bytes::from(first),
            second,
        }
    }
}

impl MessageBody for Halves {
    type Error = Infallible;

    fn size(&self) -> BodySize {
        BodySize::Sized((self.first.len() + self.second.len()) as u64)
    }

    fn poll_next(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Self::Error>>> {
        let Self { first, second } = self.get_mut();
        let half = if first.is_empty() { second } else { first };
        let half = mem::take(half);
        Poll::Ready((!half.is_empty()).then_some(Ok(half)))
    }
}
