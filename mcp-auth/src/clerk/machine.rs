//! The check of the machine settings: the machine belongs to the instance, and the key belongs to
//! the machine.

use std::sync::Arc;

use serde::Deserialize;
use serde_json::json;

use crate::clerk::backend::Backend;
use crate::clerk::machine_key::MachineKey;
use crate::clerk::outgoing::{Bearer, Outgoing};
use crate::clerk::settings::Untold;

/// The result of checking the machine settings at the Backend API.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum MachineCheck {
    /// No check was possible, because the server does not accept machines' tokens or has no key for
    /// the request.
    Unasked,
    /// Every check that was possible passed.
    Fits,
    /// The instance has no machine with this id.
    NoSuch,
    /// The machine with this id has another key. If the key was rotated, the old key may still work
    /// for a while.
    OtherKey,
    /// Clerk refuses the machine's key.
    KeyRefused,
    /// Clerk did not answer, or the response has an unexpected form.
    Unknown,
}

/// The machine that represents this server, with the API that checks its settings.
#[derive(Clone, Debug)]
pub(super) struct OwnMachine {
    pub(super) id: Option<String>,
    pub(super) key: Option<(MachineKey, Arc<Outgoing>)>,
    pub(super) backend: Option<Backend>,
}

impl OwnMachine {
    /// Checks the settings. Runs on the I/O runtime.
    pub(super) async fn check(self) -> MachineCheck {
        match self.look().await {
            Ok(check) => check,
            Err(Untold) => MachineCheck::Unknown,
        }
    }

    async fn look(self) -> Result<MachineCheck, Untold> {
        let Self { id, key, backend } = self;
        let mut asked = false;
        if let Some((key, api)) = &key {
            if !is_accepted(api, key).await? {
                return Ok(MachineCheck::KeyRefused);
            }
            asked = true;
        }
        let key = key.map(|(key, _)| key);
        if let Some((id, backend)) = id.zip(backend) {
            let other = look_up(&backend, &id, key.as_ref()).await?;
            if let Some(other) = other {
                return Ok(other);
            }
            asked = true;
        }
        Ok(if asked {
            MachineCheck::Fits
        } else {
            MachineCheck::Unasked
        })
    }
}

/// Returns true if Clerk accepts the key. The server asks about a made-up token, and Clerk's response shows whether the
/// key is accepted.
async fn is_accepted(api: &Outgoing, key: &MachineKey) -> Result<bool, Untold> {
    let body = json!({ "token": "mt_0" });
    let path = ["m2m_tokens", "verify"];
    let answer = api.post_as(&path, &body, Bearer::Machine(key)).await;
    match answer.map_err(|_| Untold)?.status {
        200 | 400 | 404 | 422 => Ok(true),
        401 => Ok(false),
        _ => Err(Untold),
    }
}

/// Checks the id, and the key if there is one.
///
/// Source: Clerk's Backend API, `GetMachine` and `GetMachineSecretKey`.
async fn look_up(
    backend: &Backend,
    id: &str,
    key: Option<&MachineKey>,
) -> Result<Option<MachineCheck>, Untold> {
    let path = ["v1", "machines", id];
    let answer = match key {
        None => backend.ask(&path, &[]).await,
        Some(_) => {
            backend
                .ask(&[&path[..], &["secret_key"]].concat(), &[])
                .await
        }
    };
    let answer = answer.map_err(|_| Untold)?;
    match answer.status {
        200 => {}
        404 => return Ok(Some(MachineCheck::NoSuch)),
        _ => return Err(Untold),
    }
    let Some(key) = key else {
        return Ok(None);
    };
    let machine: MachineSecret = serde_json::from_slice(&answer.body).map_err(|_| Untold)?;
    Ok((machine.secret != key.expose()).then_some(MachineCheck::OtherKey))
}

#[derive(Deserialize)]
struct MachineSecret {
    secret: String,
}
