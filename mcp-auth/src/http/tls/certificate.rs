//! A certificate chain with its private key, and the parameters of handshakes that use it.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use thiserror::Error;
use tokio_rustls::rustls::client::{verify_server_cert_signed_by_trust_anchor, verify_server_name};
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::pem::{Error as PemError, PemObject};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use tokio_rustls::rustls::server::ParsedCertificate;
use tokio_rustls::rustls::version::{TLS12, TLS13};
use tokio_rustls::rustls::{
    CertificateError as Verdict, Error as TlsError, InconsistentKeys, RootCertStore, ServerConfig,
};

/// A certificate chain with its private key. Its `Debug` does not show the key.
pub(crate) struct Certificate {
    config: Arc<ServerConfig>,
    chain: Vec<CertificateDer<'static>>,
}

/// The reason why a chain or a key cannot be used. The texts do not quote the files.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
pub(crate) enum CertificateError {
    #[error("it has no certificate in PEM form")]
    NoCertificate,
    #[error("it has more than {MOST_CERTIFICATES} certificates")]
    TooManyCertificates,
    #[error("it has no private key in PEM form; an encrypted key cannot be used")]
    NoKey,
    #[error("it is not well-formed PEM")]
    NotPem,
    #[error("its first certificate cannot be read")]
    Malformed,
    #[error("its private key is malformed, or of a kind that is not supported")]
    UnusableKey,
    #[error("its private key does not belong to the first certificate of the chain")]
    KeyMismatch,
}

/// The reason why clients refuse a certificate at a time.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
pub(crate) enum Invalidity {
    #[error("it has expired")]
    Expired,
    #[error("it is not valid yet")]
    NotYetValid,
}

impl Invalidity {
    /// Returns what the operator does about the certificate.
    pub(crate) fn remedy(self) -> &'static str {
        match self {
            Self::Expired => "renew the certificate",
            Self::NotYetValid => {
                "correct the clock of this machine, or wait until the certificate is valid"
            }
        }
    }
}

impl CertificateError {
    /// Returns true if the two files do not belong together.
    pub(crate) fn is_mismatch(self) -> bool {
        self == Self::KeyMismatch
    }
}

impl Certificate {
    /// Reads a chain in PEM form.
    ///
    /// # Errors
    ///
    /// One of [`CertificateError`].
    pub(super) fn chain(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, CertificateError> {
        let certificates = CertificateDer::pem_slice_iter(pem);
        let chain: Result<Vec<_>, _> = certificates.take(MOST_CERTIFICATES + 1).collect();
        let missing = CertificateError::NoCertificate;
        let chain = chain.map_err(|error| or_missing(&error, missing))?;
        if chain.len() > MOST_CERTIFICATES {
            return Err(CertificateError::TooManyCertificates);
        }
        let first = chain.first().ok_or(CertificateError::NoCertificate)?;
        ParsedCertificate::try_from(first).map_err(|_| CertificateError::Malformed)?;
        Ok(chain)
    }

    /// Makes a certificate from a chain, which begins with the certificate of the server, and its private key in PEM form.
    ///
    /// # Errors
    ///
    /// One of [`CertificateError`].
    pub(super) fn new(
        chain: Vec<CertificateDer<'static>>,
        key: &[u8],
    ) -> Result<Self, CertificateError> {
        let key = PrivateKeyDer::from_pem_slice(key)
            .map_err(|error| or_missing(&error, CertificateError::NoKey))?;
        // With a provider of its own, the server does not depend on a default that another library installs.
        let provider = Arc::new(aws_lc_rs::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&TLS13, &TLS12])
            .map_err(|_| CertificateError::UnusableKey)?
            .with_no_client_auth()
            .with_single_cert(chain.clone(), key);
        let mut config = config.map_err(|error| match error {
            TlsError::InconsistentKeys(InconsistentKeys::KeyMismatch) => {
                CertificateError::KeyMismatch
            }
            TlsError::InvalidCertificate(_) => CertificateError::Malformed,
            _ => CertificateError::UnusableKey,
        })?;
        config.alpn_protocols = PROTOCOLS.iter().map(|name| name.to_vec()).collect();
        Ok(Self {
            config: Arc::new(config),
            chain,
        })
    }

    /// Returns the parameters of a handshake.
    pub(in crate::http) fn config(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.config)
    }

    /// Returns the time at which the first certificate of the chain expires, in milliseconds since 1970. A certificate
    /// later in the chain that expires earlier counts instead.
    pub(crate) fn expires_unix_ms(&self) -> u64 {
        let ends = self.chain.iter().filter_map(|one| end_of(one, END_OF_TIME));
        ends.min().map_or(0, as_ms)
    }

    /// Returns the reason why clients refuse the certificate at this time, in milliseconds since 1970. `None` if the
    /// certificate is valid.
    pub(crate) fn invalidity(&self, now_unix_ms: u64) -> Option<Invalidity> {
        if self.is_early(now_unix_ms) {
            return Some(Invalidity::NotYetValid);
        }
        (self.expires_unix_ms() <= now_unix_ms).then_some(Invalidity::Expired)
    }

    /// Returns true if the first certificate is not valid yet at this time, in milliseconds since 1970.
    fn is_early(&self, now_unix_ms: u64) -> bool {
        let now = Duration::from_millis(now_unix_ms);
        self.chain.first().is_some_and(|one| {
            matches!(
                verdict(one, now),
                Some(Verdict::NotValidYet | Verdict::NotValidYetContext { .. })
            )
        })
    }

    /// Returns true if the certificate is valid for this host name or IP address. An IPv6 address has no brackets.
    pub(crate) fn covers(&self, host: &str) -> bool {
        let Ok(name) = ServerName::try_from(host) else {
            return false;
        };
        let first = self.chain.first().map(ParsedCertificate::try_from);
        let Some(Ok(first)) = first else {
            return false;
        };
        verify_server_name(&first, &name).is_ok()
    }
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificate")
            .field("certificates", &self.chain.len())
            .finish_non_exhaustive()
    }
}

/// Returns the end of the validity, if the certificate is over at `now`.
fn end_of(certificate: &CertificateDer<'_>, now: Duration) -> Option<UnixTime> {
    match verdict(certificate, now)? {
        Verdict::ExpiredContext { not_after, .. } => Some(not_after),
        _ => None,
    }
}

/// Verifies a certificate at this time without trust anchors. The verifier checks the validity before it looks for a trust
/// anchor, so the verdict is about the validity if the certificate is not valid at this time.
fn verdict(certificate: &CertificateDer<'_>, now: Duration) -> Option<Verdict> {
    let certificate = ParsedCertificate::try_from(certificate).ok()?;
    let verified = verify_server_cert_signed_by_trust_anchor(
        &certificate,
        &RootCertStore::empty(),
        &[],
        UnixTime::since_unix_epoch(now),
        &[],
    );
    match verified {
        Err(TlsError::InvalidCertificate(verdict)) => Some(verdict),
        Err(_) | Ok(()) => None,
    }
}

fn as_ms(time: UnixTime) -> u64 {
    time.as_secs().saturating_mul(1_000)
}

fn or_missing(error: &PemError, missing: CertificateError) -> CertificateError {
    match error {
        PemError::NoItemsFound => missing,
        _ => CertificateError::NotPem,
    }
}

/// The largest number of certificates in a chain. Chains have two to four certificates in practice.
const MOST_CERTIFICATES: usize = 16;
/// The protocols that the server offers (RFC 7301), the preferred protocol first.
const PROTOCOLS: [&[u8]; 2] = [HTTP_2, b"http/1.1"];
/// The name of HTTP/2 over TLS (RFC 9113 section 3.2).
pub(in crate::http) const HTTP_2: &[u8] = b"h2";
/// The year 10000. The form of times in certificates ends before this time (RFC 5280 section 4.1.2.5).
const END_OF_TIME: Duration = Duration::from_secs(253_402_300_800);
