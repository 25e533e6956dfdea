//! Explains decisions to a person, as if the caller of a token sent a request.

use std::sync::Arc;

use actix_web::http::Uri;

use crate::guard::{ExplainedDecision, Explanation};
use crate::identity::{AuthError, Authenticator, UrlOrg};
use crate::protocol::Endpoint;

use super::org_query;

/// Explains decisions.
#[derive(Clone, Debug)]
pub(super) struct Explanations {
    pub(super) endpoint: Arc<Endpoint>,
    pub(super) authenticator: Arc<Authenticator>,
}

impl Explanations {
    /// Returns the organization that the query of a URL names. `Absent` if the server does not read the query.
    fn organization_of(&self, query: Option<&str>) -> UrlOrg {
        match query {
            Some(query) if self.endpoint.reads_url_org() => {
                let url = Uri::try_from(format!("/?{query}"));
                url.map_or(UrlOrg::Malformed, |url| org_query::read(&url))
            }
            Some(_) | None => UrlOrg::Absent,
        }
    }

    /// Explains why the caller of a token may or may not use a tool, a prompt or a resource. `query` is the query of the
    /// endpoint's URL. `None` if the server has nothing with this name.
    pub(super) async fn of(
        &self,
        token: Option<&str>,
        query: Option<&str>,
        name: &str,
    ) -> Option<Explanation> {
        let url = self.organization_of(query);
        let caller = match token {
            Some(token) => self.authenticator.authenticate(token).await.map(Some),
            None => Ok(None),
        };
        match caller {
            Ok(caller) => self.endpoint.explain(caller.as_ref(), &url, name).await,
            Err(error) => {
                let mut explanation = self.endpoint.explain(None, &url, name).await?;
                explanation.decision = ExplainedDecision::NotSignedIn;
                explanation.reason = Some(match error {
                    AuthError::Invalid(error) => {
                        format!("the token is refused: {}", error.reason())
                    }
                    AuthError::FailsOften
                    | AuthError::Misconfigured
                    | AuthError::OverBudget(_)
                    | AuthError::Unavailable(_) => "the token cannot be verified now".to_owned(),
                });
                Some(explanation)
            }
        }
    }
}
