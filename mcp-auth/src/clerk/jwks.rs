//! The keys that an instance publishes at its Frontend API.

use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use crate::clerk::outgoing::Outgoing;
use crate::identity::{FetchError, KeySource, PublishedKey};

/// `/.well-known/jwks.json` below the Frontend API. The path is fixed: the `jwks_uri` in the
/// metadata is ignored.
#[derive(Debug)]
pub(crate) struct FrontendKeys {
    frontend: Arc<Outgoing>,
}

impl FrontendKeys {
    pub(crate) fn at(frontend: Arc<Outgoing>) -> Self {
        Self { frontend }
    }
}

impl KeySource for FrontendKeys {
    fn fetch(&self) -> BoxFuture<'static, Result<Vec<PublishedKey>, FetchError>> {
        let frontend = Arc::clone(&self.frontend);
        async move {
            let document = frontend
                .document(&[".well-known", "jwks.json"])
                .await
                .map_err(|error| FetchError::Unreachable(Box::new(error)))?;
            PublishedKey::parse_set(&document.body)
        }
        .boxed()
    }
}
