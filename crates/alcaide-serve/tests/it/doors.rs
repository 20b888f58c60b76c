//! Ways in: loopback, Unix sockets, TLS with and without certificates of clients, services of tower.

use std::net::SocketAddr;
use std::sync::Arc;

use alcaide_serve::tls::TlsPem;
use alcaide_serve::{Checked, HostRule, ListenError, Listener, Peer, PeerAddr, Routed, Tls, TlsError, serve};
use alcaide_testkit::certificate;
use bytes::Bytes;
use http::{Request, Response};
use hyper::body::Incoming;
use rustls_pki_types::PrivateKeyDer;
use rustls_pki_types::pem::PemObject;
use tokio::net::{TcpStream, UnixStream};

use crate::echo::{LAST, Running, exchange, small, status};

#[tokio::test]
async fn plain_http_is_for_loopback_only() {
    let refused = Listener::tcp("0.0.0.0:0".parse().unwrap()).await.unwrap_err();
    assert!(matches!(refused, ListenError::PlainNotLoopback { .. }));
    assert!(refused.help().contains("TLS"));
    assert!(Listener::tcp("[::ffff:10.0.0.1]:0".parse().unwrap()).await.is_err());
}

#[tokio::test]
async fn a_unix_socket_knows_its_peer_and_is_private() {
    use std::os::unix::fs::{MetadataExt, PermissionsExt};
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run").join("gate.sock");
    let listener = Listener::unix(&path).unwrap();
    assert_eq!(std::fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
    assert!(matches!(Listener::unix(&path), Err(ListenError::InUse { .. })));
    let server = Running::start_on(listener, small());
    let mut stream = UnixStream::connect(&path).await.unwrap();
    let answer =
        exchange(&mut stream, b"GET /peer HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").await;
    let uid = std::fs::metadata(&path).unwrap().uid();
    let shown = PeerAddr::Unix { uid, gid: 0, pid: None };
    assert!(answer.ends_with(&format!("{shown} with 0 certificates")), "{answer}");
    let _ = server.end().await;
    assert!(!path.exists());

    // A socket that a killed process left is replaced; another file is not; an open folder is refused.
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    drop(Listener::unix(&path).unwrap());
    std::fs::write(&path, "a file").unwrap();
    assert!(matches!(Listener::unix(&path), Err(ListenError::NotASocket { .. })));
    std::fs::set_permissions(path.parent().unwrap(), std::fs::Permissions::from_mode(0o750)).unwrap();
    assert!(matches!(Listener::unix(&path), Err(ListenError::FolderOpen { .. })));
}

async fn tls_get(addr: SocketAddr, root: &[u8]) -> std::io::Result<String> {
    tls_exchange(addr, root, None, LAST).await
}

async fn tls_exchange(
    addr: SocketAddr,
    root: &[u8],
    own: Option<&certificate::Made>,
    request: &str,
) -> std::io::Result<String> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(root.to_vec().into()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots);
    let config = match own {
        None => config.with_no_client_auth(),
        Some(own) => {
            let key = PrivateKeyDer::from_pem_slice(own.key.as_bytes()).unwrap();
            config.with_client_auth_cert(vec![own.der.clone().into()], key).unwrap()
        }
    };
    let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
    let stream = TcpStream::connect(addr).await?;
    let mut stream = connector.connect("localhost".try_into().unwrap(), stream).await?;
    Ok(exchange(&mut stream, request.as_bytes()).await)
}

#[tokio::test]
async fn a_client_certificate_is_checked_and_shown_to_the_service() {
    let (server_pair, known, stranger) = (certificate::make(1), certificate::make(2), certificate::make(3));
    let pem = TlsPem {
        chain: server_pair.chain.as_bytes(),
        key: server_pair.key.as_bytes(),
        client_roots: Some(known.chain.as_bytes()),
    };
    let tls = Tls::new(pem).unwrap();
    let listener = Listener::tls("127.0.0.1:0".parse().unwrap(), tls.feed()).await.unwrap();
    let server = Running::start_on(listener, small());
    let ask = "GET /peer HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    let with = tls_exchange(server.addr, &server_pair.der, Some(&known), ask).await.unwrap();
    assert!(with.ends_with("with 1 certificates"), "{with}");
    let without = tls_exchange(server.addr, &server_pair.der, None, ask).await.unwrap();
    assert!(without.ends_with("with 0 certificates"), "{without}");
    let wrong = tls_exchange(server.addr, &server_pair.der, Some(&stranger), ask).await;
    assert!(!wrong.is_ok_and(|answer| answer.contains("HTTP/1.1")));
}

#[tokio::test]
async fn tls_serves_and_its_certificate_changes_without_a_restart() {
    let (one, two) = (certificate::make(1), certificate::make(2));
    let pem = |made: &certificate::Made| (made.chain.clone(), made.key.clone());
    let (chain, key) = pem(&one);
    let tls = Tls::new(TlsPem { chain: chain.as_bytes(), key: key.as_bytes(), client_roots: None }).unwrap();
    let listener = Listener::tls("127.0.0.1:0".parse().unwrap(), tls.feed()).await.unwrap();
    let server = Running::start_on(listener, small());
    assert_eq!(status(&tls_get(server.addr, &one.der).await.unwrap()), 200);
    assert!(tls_get(server.addr, &two.der).await.is_err());

    // A key that belongs to another certificate is refused, and the old pair stays.
    let (chain, _) = pem(&two);
    let wrong = tls.reload(TlsPem { chain: chain.as_bytes(), key: key.as_bytes(), client_roots: None });
    assert!(matches!(wrong, Err(TlsError::Unusable { .. })), "{wrong:?}");
    assert_eq!(status(&tls_get(server.addr, &one.der).await.unwrap()), 200);

    let (chain, key) = pem(&two);
    tls.reload(TlsPem { chain: chain.as_bytes(), key: key.as_bytes(), client_roots: None }).unwrap();
    assert_eq!(status(&tls_get(server.addr, &two.der).await.unwrap()), 200);
    // Plain HTTP on a TLS port gets no answer.
    assert!(!server.exchange(LAST).await.contains("HTTP/1.1"));

    for (chain, key) in [("", two.key.as_str()), (two.chain.as_str(), ""), ("x", "y")] {
        assert!(
            Tls::new(TlsPem { chain: chain.as_bytes(), key: key.as_bytes(), client_roots: None }).is_err()
        );
    }
}

#[tokio::test]
async fn a_tower_service_is_served() {
    let routes = tower::service_fn(|request: Request<Incoming>| async move {
        let known = request.extensions().get::<Peer>().is_some();
        Ok::<_, std::convert::Infallible>(Response::new(http_body_util::Full::new(Bytes::from(
            known.to_string(),
        ))))
    });
    let listener = Listener::tcp("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let addr = listener.local_addr().unwrap();
    let service = Checked::new(HostRule::loopback(), 64, Routed(routes));
    let task = tokio::spawn(serve(listener, small(), service, std::future::pending()));
    let answer = exchange(&mut TcpStream::connect(addr).await.unwrap(), LAST.as_bytes()).await;
    assert!(answer.ends_with("true"), "{answer}");
    task.abort();
}
