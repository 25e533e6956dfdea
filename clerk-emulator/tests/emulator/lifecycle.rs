//! Starting and stopping emulators, and their state files.

use std::future::Future;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake};
use std::thread;
use std::thread::Thread;
use std::time::Duration;

use clerk_emulator::{Emulator, EmulatorOptions, Error, TokenRequest};

use crate::support::started;

fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

/// The address an emulator listens on.
fn listens_on(emulator: &Emulator) -> SocketAddr {
    address(emulator.url().strip_prefix("http://").unwrap())
}

#[actix_web::test]
async fn an_address_that_is_not_loopback_is_refused() {
    for text in ["0.0.0.0:0", "[::]:0", "192.168.1.10:0", "8.8.8.8:0"] {
        let options = EmulatorOptions::default().address(address(text));
        let refused = Emulator::start(options).await;
        assert!(matches!(refused, Err(Error::NotLoopback { .. })), "{text}");
    }
}

#[actix_web::test]
async fn a_taken_port_is_refused() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let refused = Emulator::start(EmulatorOptions::default().port(port)).await;
    let Err(error @ Error::Bind { .. }) = refused else {
        panic!("{refused:?}");
    };
    assert_eq!(
        error.to_string(),
        format!("cannot listen on 127.0.0.1:{port}")
    );
}

#[actix_web::test]
async fn the_url_is_the_issuer_and_answers() {
    let emulator = started().await;
    assert_eq!(emulator.url(), emulator.instance().issuer());
    assert!(emulator.url().starts_with("http://127.0.0.1:"));
    assert!(TcpStream::connect(listens_on(&emulator)).is_ok());
}

#[actix_web::test]
async fn a_stopped_emulator_leaves_its_port_free() {
    let emulator = started().await;
    let address = listens_on(&emulator);
    emulator.stop().await;
    assert!(TcpStream::connect(address).is_err());
    let port = address.port();
    let next = Emulator::start(EmulatorOptions::default().port(port))
        .await
        .unwrap();
    assert_eq!(listens_on(&next), address);
}

#[actix_web::test]
async fn a_dropped_emulator_stops() {
    let emulator = started().await;
    let address = listens_on(&emulator);
    drop(emulator);
    let stopped = (0..100).any(|_| {
        thread::sleep(Duration::from_millis(50));
        TcpStream::connect(address).is_err()
    });
    assert!(stopped);
}

#[actix_web::test]
async fn keys_are_new_at_every_start_unless_a_state_file_keeps_them() {
    let directory = tempfile::tempdir().unwrap();
    let kept = || EmulatorOptions::default().state_file(directory.path().join("state.json"));
    let (one, two) = (started().await, started().await);
    assert_ne!(one.instance().jwks(), two.instance().jwks());
    let one = Emulator::start(kept()).await.unwrap();
    let keys = |emulator: &Emulator| {
        let secret = emulator.instance().secret_key().expose().to_owned();
        (emulator.instance().jwks(), secret)
    };
    let before = keys(&one);
    one.stop().await;
    let two = Emulator::start(kept()).await.unwrap();
    assert_eq!(keys(&two), before);
}

#[actix_web::test]
async fn an_emulator_with_a_state_file_keeps_its_port_unless_the_port_is_taken() {
    let directory = tempfile::tempdir().unwrap();
    let kept = || EmulatorOptions::default().state_file(directory.path().join("state.json"));
    let start = async || Emulator::start(kept()).await.unwrap();
    let one = start().await;
    let address = listens_on(&one);
    one.stop().await;
    let two = start().await;
    assert_eq!(listens_on(&two), address);
    two.stop().await;
    let taken = TcpListener::bind(address).unwrap();
    let three = start().await;
    let other = listens_on(&three);
    assert_ne!(other, address);
    three.stop().await;
    drop(taken);
    let four = start().await;
    assert_eq!(listens_on(&four), other);
    // An explicit port is used even if the last port is free.
    four.stop().await;
    let five = Emulator::start(kept().port(address.port())).await.unwrap();
    assert_eq!(listens_on(&five), address);
}

#[actix_web::test]
async fn a_second_emulator_with_the_same_state_file_is_refused_or_runs_without_state() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("state.json");
    let options = EmulatorOptions::default().optional_state_file(&path);
    let first = Emulator::start(options.clone()).await.unwrap();
    let before = std::fs::read(&path).unwrap();
    let strict = Emulator::start(EmulatorOptions::default().state_file(&path)).await;
    assert!(matches!(strict, Err(Error::StateFileInUse { .. })));
    let second = Emulator::start(options).await.unwrap();
    assert_eq!(first.state_file(), Some(path.as_path()));
    assert_eq!(second.state_file(), None);
    assert_ne!(listens_on(&second), listens_on(&first));
    assert_ne!(second.instance().jwks(), first.instance().jwks());
    assert_eq!(std::fs::read(&path).unwrap(), before);
}

#[actix_web::test]
async fn an_emulator_starts_if_its_optional_state_file_cannot_be_used() {
    let directory = tempfile::tempdir().unwrap();
    let folder = directory.path().join("folder");
    let path = folder.join("state.json");
    let options = || EmulatorOptions::default().optional_state_file(&path);
    // A file is in the place of the folder.
    std::fs::write(&folder, "").unwrap();
    let without = Emulator::start(options()).await.unwrap();
    assert_eq!(without.state_file(), None);
    std::fs::remove_file(&folder).unwrap();
    std::fs::create_dir(&folder).unwrap();
    std::fs::write(&path, "damaged").unwrap();
    let replaced = Emulator::start(options()).await.unwrap();
    let keys = replaced.instance().jwks();
    replaced.stop().await;
    let again = Emulator::start(options()).await.unwrap();
    assert_eq!(again.instance().jwks(), keys);
}

#[actix_web::test]
async fn every_token_survives_a_restart_and_the_state_file_contains_no_token() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("state.json");
    let start = async || {
        Emulator::start(EmulatorOptions::default().state_file(&path))
            .await
            .unwrap()
    };
    let emulator = start().await;
    let now = 1_750_000_000;
    let mint = |request: TokenRequest| emulator.instance().mint(&request, now).unwrap();
    let (jwt, opaque) = (
        mint(TokenRequest::oauth("ada")),
        mint(TokenRequest::oauth("ada").opaque()),
    );
    let (key, machine) = (
        mint(TokenRequest::api_key("ada")),
        mint(TokenRequest::m2m("billing")),
    );
    let revoked = [
        mint(TokenRequest::oauth("ada").opaque()),
        mint(TokenRequest::api_key("ada")),
    ];
    for token in &revoked {
        assert!(emulator.instance().revoke(token));
    }
    emulator.stop().await;

    let content = std::fs::read_to_string(&path).unwrap();
    for token in [&jwt, &opaque, &key, &machine].into_iter().chain(&revoked) {
        assert!(!content.contains(token.as_str()), "{token}");
    }
    let emulator = start().await;
    let clerk = emulator.instance();
    for token in [&jwt, &opaque] {
        let answer = clerk.verify_oauth_token(token, now).unwrap();
        assert_eq!(
            (&answer["subject"], &answer["revoked"]),
            (&"user_ada".into(), &false.into())
        );
    }
    let answer = clerk.verify_api_key(&key, now).unwrap();
    assert_eq!(
        (&answer["subject"], &answer["revoked"]),
        (&"user_ada".into(), &false.into())
    );
    assert!(clerk.verify_m2m_token(&machine, now).is_some());
    let [opaque, key] = &revoked;
    assert_eq!(
        clerk.verify_oauth_token(opaque, now).unwrap()["revoked"],
        true
    );
    assert_eq!(clerk.verify_api_key(key, now).unwrap()["revoked"], true);
}

#[test]
fn an_emulator_starts_and_stops_without_a_runtime_of_the_caller() {
    let emulator = block_on(started());
    assert!(TcpStream::connect(listens_on(&emulator)).is_ok());
    block_on(emulator.stop());
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    struct Unpark(Thread);

    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }

    let waker = Arc::new(Unpark(thread::current())).into();
    let mut context = Context::from_waker(&waker);
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut context) {
            Poll::Ready(output) => return output,
            Poll::Pending => thread::park(),
        }
    }
}
