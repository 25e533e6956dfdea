//! The way of a span from its end to the collector: a bounded queue, and a thread that exports batches.
//!
//! INVARIANT: the end of a span never waits. A span is exported, or its loss is counted.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use opentelemetry::Context;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{BatchSpanProcessor, Span, SpanData, SpanExporter, SpanProcessor};

use super::losses::Losses;

/// Puts ended spans into the queue, and counts the spans for which the queue has no room.
#[derive(Debug)]
pub(super) struct Queue {
    pub(super) inner: BatchSpanProcessor,
    pub(super) waiting: Arc<Waiting>,
    pub(super) losses: Arc<Losses>,
}

/// The number of spans that wait for their export.
#[derive(Debug)]
pub(super) struct Waiting {
    spans: AtomicUsize,
    most: usize,
}

impl Waiting {
    pub(super) fn at_most(most: usize) -> Self {
        Self {
            spans: AtomicUsize::new(0),
            most,
        }
    }

    pub(super) fn spans(&self) -> usize {
        self.spans.load(Ordering::Acquire)
    }

    /// Adds a span, if there is room.
    fn enter(&self) -> bool {
        let entered = self.spans.fetch_add(1, Ordering::AcqRel) < self.most;
        if !entered {
            self.leave(1);
        }
        entered
    }

    fn leave(&self, spans: usize) {
        self.spans.fetch_sub(spans, Ordering::AcqRel);
    }
}

impl SpanProcessor for Queue {
    fn on_start(&self, span: &mut Span, cx: &Context) {
        self.inner.on_start(span, cx);
    }

    fn on_end(&self, span: SpanData) {
        if self.waiting.enter() {
            self.inner.on_end(span);
        } else {
            self.losses.queue_full.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.inner.force_flush()
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.inner.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.inner.set_resource(resource);
    }
}

/// Exports batches, and counts the spans of batches that could not be exported.
#[derive(Debug)]
pub(super) struct Counted<E> {
    pub(super) inner: E,
    pub(super) waiting: Arc<Waiting>,
    pub(super) losses: Arc<Losses>,
}

impl<E: SpanExporter> SpanExporter for Counted<E> {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let spans = batch.len();
        let exported = self.inner.export(batch).await;
        self.waiting.leave(spans);
        self.losses.count(spans as u64, exported.is_ok());
        self.losses.log(exported.as_ref().err());
        exported
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.inner.shutdown_with_timeout(timeout)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.inner.force_flush()
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.inner.set_resource(resource);
    }
}
