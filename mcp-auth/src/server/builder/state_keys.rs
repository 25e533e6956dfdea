//! The keys that encrypt and authenticate the state of questions and the cursors of lists.

use std::sync::Arc;

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};

use crate::primitive::Registry;
use crate::protocol::{ConfirmationStore, KEY_LEN, StateKey};

use super::super::codes;
use super::super::environment::{Environment, Variable};
use super::super::finding::Finding;
use super::super::setting::{Setting, Source};
use super::ServerBuilder;

/// The keys and the store that are set in code.
#[derive(Default)]
pub(in crate::server) struct StateKeyOptions {
    keys: Option<Vec<String>>,
    pub(in crate::server) store: Option<Arc<dyn ConfirmationStore>>,
    single_process: bool,
}

/// The keys of a server. `None` means that the server makes a random key.
pub(in crate::server) struct StateKeys(pub(in crate::server) Option<Vec<StateKey>>);

/// The keys for the data that clients keep for the server.
impl ServerBuilder {
    /// Sets the keys that encrypt and authenticate the state of a call that waits for a person, and the cursors of
    /// lists. A key is 32 random bytes in Base64, as `openssl rand -base64 32` prints them. Default:
    /// `MCP_AUTH_STATE_KEYS` (separated by commas). If that variable is unset, the server makes a random key when it
    /// starts.
    ///
    /// With a random key, a restart ends every call that waits for a person, and only the process that asked the
    /// question can take the answer. Give all processes of one server the same keys, so that each process can continue
    /// a call that another process began.
    ///
    /// The server encrypts with the first key, and can decrypt with every key. To replace a key, first add the new key
    /// at the end of the list on all processes. Then move the new key to the front on all processes. After an hour no
    /// text of the old key is valid, and the old key can be removed. At most 8 keys are accepted.
    ///
    /// A key that is not 32 bytes in Base64, a repeated key and an empty list are start-up errors. No message
    /// contains a key.
    ///
    /// ```
    /// # let (new, old) = ("bmV3IGtleSBvZiAzMiBieXRlcyBmb3IgdGhlIGRvY3M=", "b2xkIGtleSBvZiAzMiBieXRlcyBmb3IgdGhlIGRvY3M=");
    /// let builder = mcp_auth::server!().state_keys([new, old]);
    /// # let _ = builder;
    /// ```
    ///
    /// # Security
    ///
    /// A person who knows a key can continue a call as if another person had answered its questions. Keep the keys as
    /// secret as the secret key of Clerk.
    pub fn state_keys(mut self, keys: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.state_keys.keys = Some(keys.into_iter().map(Into::into).collect());
        self
    }

    /// Sets the store in which all processes of this server remember used confirmations. By default each process
    /// remembers its own confirmations.
    ///
    /// If [`state_keys`](Self::state_keys) is set and a tool has `confirm`, the server does not start without a store:
    /// another process with the same keys would accept a used confirmation again. If there is only one process, call
    /// [`single_process`](Self::single_process) instead.
    pub fn confirmation_store(mut self, store: impl ConfirmationStore) -> Self {
        self.state_keys.store = Some(Arc::new(store));
        self
    }

    /// Lets a client that cannot ask a person confirm a call of a tool with `confirm` in a second call. By default the server
    /// refuses the call.
    ///
    /// The first call does not run the tool. Its result is an error with the question and a code. The client calls
    /// again with the same arguments and the argument `confirmation_code`. The server adds this argument to the schema of each
    /// tool with `confirm`. A code is valid for five minutes, for one call, and only for the same caller with the same client and
    /// organization, the same tool and the same arguments. Programs find the question and the code in the `_meta` of the
    /// result, in the member `mcp-auth-rs/confirmation`.
    ///
    /// A client that can ask a person still gets the question, and a code from this client has no effect. If a tool with
    /// `confirm` declares an argument `confirmation_code`, the server does not start.
    ///
    /// ```standalone_crate
    /// use mcp_auth::mcp_tool;
    /// use mcp_auth::testing::TestServer;
    /// use serde_json::json;
    ///
    /// /// Delete a document.
    /// #[mcp_tool(confirm = "Delete {id}?", destructive)]
    /// async fn delete(id: String) -> String { format!("Deleted {id}") }
    ///
    /// # actix_web::rt::System::new().block_on(async {
    /// let server = TestServer::of(mcp_auth::server!().allow_confirmation_codes());
    /// let ada = server.user("ada");
    /// let answer = ada.call("delete", json!({ "id": "d1" })).await;
    /// answer.expect_not_run();
    /// assert_eq!(answer.questions()[0]["message"], "Delete d1?");
    /// let code = answer.confirmation_code().unwrap();
    /// let answer = ada.call("delete", json!({ "id": "d1", "confirmation_code": code })).await;
    /// assert_eq!(answer.expect_ok().text(), "Deleted d1");
    /// # });
    /// ```
    ///
    /// # Security
    ///
    /// The model gets the question and the code, so a model can confirm without asking anybody. The second call does not
    /// prove that a person agreed.
    pub fn allow_confirmation_codes(mut self) -> Self {
        self.schemas.confirmation_codes = true;
        self
    }

    /// States that no other process of this server runs at the same time, so that the server may remember used
    /// confirmations in its memory. Only a server with [`state_keys`](Self::state_keys) and a tool with `confirm` needs
    /// this statement.
    ///
    /// # Security
    ///
    /// If another process with the same keys nevertheless runs, a confirmed call can run once in each process. After a
    /// restart, an agreement of the last ten minutes can be used once more.
    pub fn single_process(mut self) -> Self {
        self.state_keys.single_process = true;
        self
    }
}

pub(in crate::server) const VARIABLES: &[Variable] = &[Variable::of_server("MCP_AUTH_STATE_KEYS")];

impl StateKeyOptions {
    /// Returns the finding about a server whose processes would each accept the same confirmation.
    pub(in crate::server) fn check(
        &self,
        keys: &StateKeys,
        registry: &Registry,
    ) -> Option<Finding> {
        let remembers = self.store.is_some() || self.single_process || keys.0.is_none();
        let mut tools = registry.iter();
        let tool = tools.find(|served| served.confirms() && !remembers)?;
        let name = tool.name();
        let what = format!(
            "the tool `{name}` has `confirm`, and the state keys are shared without a store"
        );
        let remedy = "set `confirmation_store`, or `single_process` if only one process runs";
        Some(Finding::new(&codes::CONFIRMATION_STORE_MISSING, what).remedy_is(remedy))
    }

    /// The configured keys.
    pub(in crate::server) fn resolve(&self, env: &Environment<'_>) -> Result<StateKeys, Finding> {
        let in_code = self.keys.as_ref();
        let list = Setting::list(env, in_code, "state_keys", "MCP_AUTH_STATE_KEYS");
        let Some(texts) = list.value else {
            return Ok(StateKeys(None));
        };
        let invalid = |what: &str| Err(invalid(list.source, what));
        if texts.is_empty() {
            return invalid("has no key");
        }
        if texts.len() > MOST_KEYS {
            return invalid("has more than 8 keys");
        }
        let mut keys: Vec<[u8; KEY_LEN]> = Vec::new();
        for text in texts {
            let Some(key) = read(&text) else {
                return invalid("has a key that is not 32 bytes in Base64");
            };
            if keys.contains(&key) {
                return invalid("has the same key twice");
            }
            keys.push(key);
        }
        Ok(StateKeys(Some(
            keys.into_iter().map(StateKey::new).collect(),
        )))
    }
}

/// The finding does not contain the value, because the value is a secret.
fn invalid(source: Source, what: &str) -> Finding {
    Finding::new(&codes::STATE_KEYS_INVALID, format!("{source} {what}"))
        .remedy_is("make a key with `openssl rand -base64 32`, and separate keys by commas")
}

fn read(text: &str) -> Option<[u8; KEY_LEN]> {
    let config =
        GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    let bytes = GeneralPurpose::new(&STANDARD, config)
        .decode(text.trim())
        .ok()?;
    bytes.try_into().ok()
}

const MOST_KEYS: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &str = "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=";
    const TWO: &str = "AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI";

    fn keys(builder: &ServerBuilder, variable: Option<&str>) -> Result<Option<usize>, String> {
        let value = |name: &str| {
            let is_read = name == "MCP_AUTH_STATE_KEYS";
            variable.filter(|_| is_read).map(str::to_owned)
        };
        let keys = builder.state_keys.resolve(&Environment::of(&value));
        keys.map(|StateKeys(keys)| keys.map(|keys| keys.len()))
            .map_err(|finding| finding.what().to_owned())
    }

    #[test]
    fn keys_are_set_in_code_or_by_the_environment_or_else_one_is_random() {
        let builder = || ServerBuilder::of_package("p", "1");
        assert_eq!(keys(&builder(), None), Ok(None));
        let both = format!("{ONE}, {TWO}");
        assert_eq!(keys(&builder(), Some(&both)), Ok(Some(2)));
        assert_eq!(keys(&builder().state_keys([TWO]), Some(&both)), Ok(Some(1)));
    }

    #[test]
    fn a_wrong_key_does_not_start_and_is_not_shown() {
        let builder = || ServerBuilder::of_package("p", "1");
        let twice = format!("{ONE},{ONE}");
        let short: String = ONE.chars().take(40).collect();
        let nine = [ONE; 9].join(",");
        for (value, what) in [
            ("secret", "has a key that is not 32 bytes in Base64"),
            (&short, "has a key that is not 32 bytes in Base64"),
            (&twice, "has the same key twice"),
            (&nine, "has more than 8 keys"),
        ] {
            let error = keys(&builder(), Some(value)).unwrap_err();
            assert_eq!(error, format!("MCP_AUTH_STATE_KEYS {what}"));
        }
        let none = builder().state_keys(Vec::<String>::new());
        assert_eq!(keys(&none, None), Err("`state_keys` has no key".to_owned()));
    }
}
