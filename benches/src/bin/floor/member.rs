//! What Clerk's Backend API says of an OAuth caller: looked up, and believed for 30 seconds.

use std::env;
use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use quick_cache::sync::Cache;
use reqwest::Client;
use reqwest::redirect::Policy;
use serde::Deserialize;

use crate::Site;
use crate::answer::Refusal;

/// The Backend API, with the key to it.
pub(crate) struct Directory {
    client: Client,
    url: String,
    key: String,
}

/// Everyone who was looked up, by organization and user.
pub(crate) struct Members(Cache<(String, String), Arc<Member>>);

/// What is known of one user in one organization.
pub(crate) struct Member {
    organization: String,
    user: String,
    /// The uptime in milliseconds until which it is believed, doubled; plus one if they may delete.
    fact: AtomicU64,
}

impl Default for Members {
    fn default() -> Self {
        Self(Cache::new(MAX_MEMBERS))
    }
}

impl Members {
    /// Shared by all tokens of the same user and organization.
    pub(crate) fn get(&self, organization: &str, user: &str) -> Arc<Member> {
        let key = (organization.to_owned(), user.to_owned());
        if let Some(member) = self.0.get(&key) {
            return member;
        }
        let member = Arc::new(Member {
            organization: organization.to_owned(),
            user: user.to_owned(),
            fact: AtomicU64::new(0),
        });
        self.0.insert(key, Arc::clone(&member));
        member
    }
}

impl Member {
    /// Whether they may delete, if that was looked up lately.
    pub(crate) fn recent(&self, now: Duration) -> Option<bool> {
        let fact = self.fact.load(Ordering::Relaxed);
        (milliseconds(now) < fact >> 1).then_some(fact & 1 == 1)
    }

    /// Asks; that there is no answer is no "no".
    pub(crate) async fn look_up(&self, site: &Site) -> Result<bool, Refusal> {
        let Some(directory) = &site.directory else {
            return Ok(false);
        };
        let asked = site.uptime();
        let permissions = directory
            .ask(self)
            .await
            .map_err(|_| Refusal::Unavailable)?;
        let age = if permissions.is_some() {
            MEMBER_AGE
        } else {
            NOT_A_MEMBER_AGE
        };
        let may_delete = permissions
            .unwrap_or_default()
            .iter()
            .any(|permission| permission == "org:documents:delete");
        let fact = milliseconds(asked + age) << 1 | u64::from(may_delete);
        self.fact.store(fact, Ordering::Relaxed);
        Ok(may_delete)
    }
}

impl Directory {
    /// `None` without a key: nothing is known then.
    pub(crate) fn from_environment() -> Result<Option<Self>, Box<dyn Error>> {
        let Ok(key) = env::var("CLERK_SECRET_KEY") else {
            return Ok(None);
        };
        let url = env::var("CLERK_API_URL").unwrap_or_else(|_| CLERK.to_owned());
        Ok(Some(Self {
            client: client(&url)?,
            url,
            key,
        }))
    }

    /// The permissions of a member; `None` if they are none.
    async fn ask(&self, member: &Member) -> Result<Option<Vec<String>>, Box<dyn Error>> {
        let Member {
            organization, user, ..
        } = member;
        let response = self
            .client
            .get(format!(
                "{}/v1/organizations/{organization}/memberships?user_id={user}&limit=1",
                self.url
            ))
            .bearer_auth(&self.key)
            .header("Content-Type", "application/json")
            .header("Clerk-API-Version", "2026-05-12")
            .send()
            .await?;
        if response.status() == 404 {
            return Ok(None);
        }
        let page = response.error_for_status()?.bytes().await?;
        let page: Page = serde_json::from_slice(&page)?;
        if page.data.is_empty() {
            return Ok(None);
        }
        let own = page.data.into_iter().find(|membership| {
            membership.organization.id == *organization
                && membership.public_user_data.user_id == *user
        });
        let own = own.ok_or("another's membership")?;
        Ok(Some(own.permissions.unwrap_or_default()))
    }
}

/// A client that talks to this base, and goes nowhere else.
pub(crate) fn client(base: &str) -> Result<Client, reqwest::Error> {
    let mut client = Client::builder()
        .redirect(Policy::none())
        .timeout(Duration::from_secs(5));
    if base.starts_with("http://") {
        // Works on a machine without certificates of authorities, too.
        client = client.no_proxy().tls_certs_only([]);
    }
    client.build()
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX >> 1)
}

#[derive(Deserialize)]
struct Page {
    data: Vec<Membership>,
}

#[derive(Deserialize)]
struct Membership {
    organization: Organization,
    public_user_data: PublicUserData,
    permissions: Option<Vec<String>>,
}

#[derive(Deserialize)]
struct Organization {
    id: String,
}

#[derive(Deserialize)]
struct PublicUserData {
    user_id: String,
}

const CLERK: &str = "https://api.clerk.com";
const MEMBER_AGE: Duration = Duration::from_secs(30);
const NOT_A_MEMBER_AGE: Duration = Duration::from_secs(5);
const MAX_MEMBERS: usize = 10_000;
