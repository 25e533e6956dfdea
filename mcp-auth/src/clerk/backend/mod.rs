//! The calls of Clerk's Backend API that look up keys, users and memberships.

use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use serde::Deserialize;

use crate::clerk::errors::ErrorReporter;
use crate::clerk::outgoing::{ClerkResponse, Outgoing, OutgoingError};
use crate::clerk::secret_key::SecretKey;
use crate::clerk::user;
use crate::identity::{
    Clock, LookupError, MembershipPage, Memberships, Org, PublishedKey, User, UserSource,
};

/// The Backend API, with the secret key.
#[derive(Clone, Debug)]
pub(crate) struct Backend {
    outgoing: Arc<Outgoing>,
    key: SecretKey,
    membership_errors: Arc<ErrorReporter>,
    user_errors: Arc<ErrorReporter>,
}

/// The reason why the Backend API did not return the instance's keys.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BackendKeysError {
    /// Clerk refuses the secret key.
    #[error("Clerk does not accept the secret key")]
    KeyRefused,
    /// Clerk gave no usable response.
    #[error("Clerk's Backend API did not answer")]
    Unreachable,
}

impl Backend {
    pub(crate) fn at(
        outgoing: impl Into<Arc<Outgoing>>,
        key: SecretKey,
        clock: &Arc<dyn Clock>,
    ) -> Self {
        let about = |what| {
            let errors = ErrorReporter::about(what, "CLERK_SECRET_KEY", Arc::clone(clock));
            Arc::new(errors)
        };
        Self {
            outgoing: outgoing.into(),
            key,
            membership_errors: about("memberships"),
            user_errors: about("users"),
        }
    }

    /// Looks up the user with this id. `None` if the user does not exist. Runs on the I/O runtime.
    async fn look_up_user(self, user_id: String) -> Result<Option<User>, LookupError> {
        let path = ["v1", "users", &user_id];
        let asked = self.outgoing.get(&path, &[], Some(&self.key)).await;
        let answer = asked.map_err(|error| self.user_errors.failed(&error))?;
        match answer.status {
            200 => user::read(&answer.body, &user_id)
                .map(Some)
                .map_err(|error| self.user_errors.failed(&error)),
            404 => Ok(None),
            _ => Err(self.user_errors.refused(&answer)),
        }
    }

    /// Fetches the keys of the instance to which the secret key belongs. Runs on the I/O runtime.
    pub(crate) async fn keys(&self) -> Result<Vec<PublishedKey>, BackendKeysError> {
        let answer = self
            .outgoing
            .get(&["v1", "jwks"], &[], Some(&self.key))
            .await
            .map_err(|_| BackendKeysError::Unreachable)?;
        match answer.status {
            200 => PublishedKey::parse_set(&answer.body).map_err(|_| BackendKeysError::Unreachable),
            401 | 403 => Err(BackendKeysError::KeyRefused),
            _ => Err(BackendKeysError::Unreachable),
        }
    }

    /// Asks for data of the instance.
    pub(super) async fn ask(
        &self,
        path: &[&str],
        query: &[(&str, &str)],
    ) -> Result<ClerkResponse, OutgoingError> {
        self.outgoing.get(path, query, Some(&self.key)).await
    }

    async fn look_up(self, member: Member) -> Result<Option<Org>, LookupError> {
        let path = [
            "v1",
            "organizations",
            &member.organization_id,
            "memberships",
        ];
        let query = [("user_id", member.user_id.as_str()), ("limit", "1")];
        match self.outgoing.get(&path, &query, Some(&self.key)).await {
            Ok(answer) => member.read(&answer, &self.membership_errors),
            Err(error) => Err(self.membership_errors.failed(&error)),
        }
    }

    async fn look_up_page(
        self,
        user_id: String,
        offset: usize,
    ) -> Result<MembershipPage, LookupError> {
        let path = ["v1", "users", &user_id, "organization_memberships"];
        let offset = offset.to_string();
        let query = [("limit", PAGE), ("offset", &offset)];
        let asked = self.outgoing.get(&path, &query, Some(&self.key)).await;
        let answer = asked.map_err(|error| self.membership_errors.failed(&error))?;
        match answer.status {
            200 => read_page(&answer.body, &user_id, &self.membership_errors),
            // The user was deleted, and therefore has no memberships.
            404 => Ok(MembershipPage {
                orgs: Vec::new(),
                total: 0,
            }),
            _ => Err(self.membership_errors.refused(&answer)),
        }
    }
}

impl UserSource for Backend {
    fn user(&self, user_id: &str) -> BoxFuture<'static, Result<Option<User>, LookupError>> {
        self.clone().look_up_user(user_id.to_owned()).boxed()
    }
}

impl Memberships for Backend {
    fn membership(
        &self,
        organization_id: &str,
        user_id: &str,
    ) -> BoxFuture<'static, Result<Option<Org>, LookupError>> {
        let member = Member {
            organization_id: organization_id.to_owned(),
            user_id: user_id.to_owned(),
        };
        self.clone().look_up(member).boxed()
    }

    fn memberships(
        &self,
        user_id: &str,
        offset: usize,
    ) -> BoxFuture<'static, Result<MembershipPage, LookupError>> {
        self.clone()
            .look_up_page(user_id.to_owned(), offset)
            .boxed()
    }
}

/// The membership that is requested.
struct Member {
    organization_id: String,
    user_id: String,
}

impl Member {
    fn read(
        &self,
        answer: &ClerkResponse,
        errors: &ErrorReporter,
    ) -> Result<Option<Org>, LookupError> {
        match answer.status {
            200 => self.find(&answer.body, errors),
            404 => Ok(None),
            _ => Err(errors.refused(answer)),
        }
    }

    /// Returns the membership in the response. It must be the requested membership. Without this
    /// check, an API that ignores the filter would give this user the role of another user.
    fn find(&self, body: &[u8], errors: &ErrorReporter) -> Result<Option<Org>, LookupError> {
        let page: Page = serde_json::from_slice(body).map_err(|error| errors.unreadable(&error))?;
        if page.data.is_empty() {
            return Ok(None);
        }
        match page
            .data
            .into_iter()
            .find(|membership| self.is_of(membership))
        {
            Some(membership) => Ok(Some(membership.into())),
            None => Err(anothers_membership()),
        }
    }

    fn is_of(&self, membership: &Membership) -> bool {
        membership.organization.id == self.organization_id && membership.is_of(&self.user_id)
    }
}

/// Reads a page of a user's memberships. A page with the membership of another user is an error.
fn read_page(
    body: &[u8],
    user_id: &str,
    errors: &ErrorReporter,
) -> Result<MembershipPage, LookupError> {
    let page: CountedPage =
        serde_json::from_slice(body).map_err(|error| errors.unreadable(&error))?;
    if !page.data.iter().all(|membership| membership.is_of(user_id)) {
        return Err(anothers_membership());
    }
    Ok(MembershipPage {
        orgs: page.data.into_iter().map(Org::from).collect(),
        total: page.total_count,
    })
}

fn anothers_membership() -> LookupError {
    tracing::error!(target: "mcp_auth", "Clerk returned another user's membership");
    LookupError::Failed
}

#[derive(Deserialize)]
struct Page {
    data: Vec<Membership>,
}

/// A page with the number of memberships on all pages.
#[derive(Deserialize)]
struct CountedPage {
    data: Vec<Membership>,
    total_count: u64,
}

#[derive(Deserialize)]
struct Membership {
    organization: Organization,
    public_user_data: Option<PublicUserData>,
    role: Option<String>,
    permissions: Option<Vec<String>>,
}

#[derive(Deserialize)]
struct Organization {
    id: String,
    slug: Option<String>,
}

#[derive(Deserialize)]
struct PublicUserData {
    user_id: Option<String>,
}

impl Membership {
    fn is_of(&self, user_id: &str) -> bool {
        let user = self.public_user_data.as_ref();
        let user = user.and_then(|user| user.user_id.as_deref());
        user == Some(user_id)
    }
}

impl From<Membership> for Org {
    fn from(membership: Membership) -> Self {
        let Membership {
            organization,
            role,
            permissions,
            ..
        } = membership;
        Self::new(organization.id, organization.slug, role, permissions)
    }
}

/// The number of memberships on a page. Clerk allows 500, but responses above 1 MiB are not read,
/// and the metadata of an organization may have several KiB.
const PAGE: &str = "25";

#[cfg(test)]
mod tests;
