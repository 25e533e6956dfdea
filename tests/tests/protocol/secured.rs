//! Certificates of servers under test, and TLS connections to these servers.

use std::fs;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_STANDARD as STANDARD;
use mcp_auth::ServerBuilder;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, date_time_ymd};
use reqwest::tls::Version;
use reqwest::{Client, ClientBuilder};
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

/// A certification authority, and the files of a certificate for `127.0.0.1` and `localhost` that it issued.
#[derive(Debug)]
pub(crate) struct Secured {
    folder: TempDir,
    issuer: Issuer<'static, KeyPair>,
    root: Vec<u8>,
}

/// A certificate and its key, in PEM form.
#[derive(Clone, Debug)]
pub(crate) struct Pair {
    pub(crate) chain: String,
    pub(crate) key: String,
}

impl Secured {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params
            .distinguished_name
            .push(DnType::CommonName, "authority of a test");
        let key = KeyPair::generate().unwrap();
        let root = params.self_signed(&key).unwrap();
        let root = root.der().to_vec();
        let secured = Self {
            folder: TempDir::new().unwrap(),
            issuer: Issuer::new(params, key),
            root,
        };
        secured.install(&secured.issue("first", NAMES, 2099));
        secured
    }

    /// Issues a certificate with this common name for these hosts. It expires at the end of `year`.
    pub(crate) fn issue(&self, common_name: &str, hosts: &[&str], year: i32) -> Pair {
        self.issue_with(common_name, hosts, |params| {
            params.not_after = date_time_ymd(year, 12, 31);
        })
    }

    /// Issues a certificate for the hosts of a server under test, which is valid from this time on, counted from 1970.
    pub(crate) fn issue_from(&self, common_name: &str, beginning: Duration) -> Pair {
        self.issue_with(common_name, NAMES, |params| {
            params.not_before = date_time_ymd(1970, 1, 1) + beginning;
        })
    }

    /// Issues a certificate for the hosts of a server under test, which expires at this time, counted from 1970.
    pub(crate) fn issue_until(&self, common_name: &str, end: Duration) -> Pair {
        self.issue_with(common_name, NAMES, |params| {
            params.not_after = date_time_ymd(1970, 1, 1) + end;
        })
    }

    fn issue_with(
        &self,
        common_name: &str,
        hosts: &[&str],
        validity: impl FnOnce(&mut CertificateParams),
    ) -> Pair {
        let hosts: Vec<_> = hosts.iter().map(|host| (*host).to_owned()).collect();
        let mut params = CertificateParams::new(hosts).unwrap();
        params
            .distinguished_name
            .push(DnType::CommonName, common_name);
        params.not_before = date_time_ymd(2020, 1, 1);
        params.not_after = date_time_ymd(2099, 12, 31);
        validity(&mut params);
        let key = KeyPair::generate().unwrap();
        let chain = params.signed_by(&key, &self.issuer).unwrap();
        let chain = pem("CERTIFICATE", chain.der());
        let key = pem("PRIVATE KEY", &key.serialize_der());
        Pair { chain, key }
    }

    /// Writes a pair to the files of the server, each with an atomic rename.
    pub(crate) fn install(&self, pair: &Pair) {
        self.write("chain.pem", &pair.chain);
        self.write("key.pem", &pair.key);
    }

    /// Writes a file with an atomic rename.
    pub(crate) fn write(&self, name: &str, content: &str) {
        let written = self.path("written");
        fs::write(&written, content).unwrap();
        fs::rename(written, self.path(name)).unwrap();
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Lets a server use the files.
    pub(crate) fn apply(&self, builder: ServerBuilder) -> ServerBuilder {
        builder.tls(self.path("chain.pem"), self.path("key.pem"))
    }

    /// A client that trusts only the authority.
    pub(crate) fn client(&self) -> Client {
        self.client_with(|builder| builder)
    }

    fn client_with(&self, settings: impl FnOnce(ClientBuilder) -> ClientBuilder) -> Client {
        let root = reqwest::Certificate::from_der(&self.root).unwrap();
        let builder = Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .timeout(Duration::from_secs(20))
            .tls_certs_only([root]);
        settings(builder).build().unwrap()
    }

    /// A client that trusts only the authority, and speaks only this version of TLS.
    pub(crate) fn client_of(&self, version: Version) -> Client {
        let only =
            |builder: ClientBuilder| builder.tls_version_min(version).tls_version_max(version);
        self.client_with(only)
    }

    /// The certificate of the server at this address, as DER.
    pub(crate) async fn served(&self, address: SocketAddr) -> Vec<u8> {
        let stream = TcpStream::connect(address).await.unwrap();
        let stream = self.connect(stream).await.unwrap();
        let (_, session) = stream.get_ref();
        session.peer_certificates().unwrap()[0].to_vec()
    }

    /// Makes a handshake on this connection. The client offers no application protocol.
    pub(crate) async fn connect(&self, stream: TcpStream) -> io::Result<TlsStream<TcpStream>> {
        self.connect_for(stream, &[]).await
    }

    /// Makes a handshake on this connection, and offers these application protocols.
    pub(crate) async fn connect_for(
        &self,
        stream: TcpStream,
        protocols: &[&[u8]],
    ) -> io::Result<TlsStream<TcpStream>> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from(self.root.clone())).unwrap();
        let provider = Arc::new(aws_lc_rs::default_provider());
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
        let name = ServerName::from(IpAddr::V4(Ipv4Addr::LOCALHOST));
        let connector = TlsConnector::from(Arc::new(config));
        connector.connect(name, stream).await
    }
}

/// These bytes in PEM form (RFC 7468).
pub(crate) fn pem(label: &str, der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let lines = text.as_bytes().chunks(64);
    let lines: Vec<_> = lines.map(|line| str::from_utf8(line).unwrap()).collect();
    let lines = lines.join("\n");
    format!("-----BEGIN {label}-----\n{lines}\n-----END {label}-----\n")
}

/// The hosts of a server under test.
pub(crate) const NAMES: &[&str] = &["127.0.0.1", "localhost"];
