//! Starting, running beside any runtime, stopping.

use std::future::Future;
use std::net::SocketAddr;
use std::net::TcpListener;
use std::net::TcpStream;
use std::pin::pin;
use std::sync::Arc;
use std::task::Context;
use std::task::Poll;
use std::task::Wake;
use std::thread;
use std::thread::Thread;
use std::time::Duration;

use clerk_emulator::Emulator;
use clerk_emulator::EmulatorOptions;
use clerk_emulator::Error;

use crate::support::started;

fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

/// The address an emulator listens on.
fn listens_on(emulator: &Emulator) -> SocketAddr {
    address(emulator.url().strip_prefix("http://").unwrap())
}

#[actix_web::test]
async fn an_address_that_is_reachable_from_elsewhere_is_refused() {
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
async fn keys_are_fresh_at_every_start_unless_kept() {
    let directory = tempfile::tempdir().unwrap();
    let kept = || EmulatorOptions::default().state_file(directory.path().join("state.json"));
    let (one, two) = (started().await, started().await);
    assert_ne!(one.instance().jwks(), two.instance().jwks());
    let one = Emulator::start(kept()).await.unwrap();
    let two = Emulator::start(kept()).await.unwrap();
    assert_eq!(one.instance().jwks(), two.instance().jwks());
    assert_eq!(
        one.instance().secret_key().expose(),
        two.instance().secret_key().expose()
    );
}

#[test]
fn it_starts_and_stops_without_a_runtime_of_the_caller() {
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
