//! Upstreams over TLS: whom the gate believes.

use std::net::Ipv4Addr;

use alcaide_record::End;
use alcaide_serve::tls::TlsPem;
use alcaide_serve::{Body, Limits, Listener, Peer, Service, Tls, serve};
use alcaide_testkit::certificate;
use http::{Request, Response, header};
use hyper::body::Incoming;

use crate::house::*;

/// A model that always says the same.
struct Model;

impl Service for Model {
    async fn call(&self, _request: Request<Incoming>, _peer: &Peer) -> Response<Body> {
        let text = r#"{"id":"c","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"paid"},"finish_reason":"stop"}]}"#;
        let mut response = Response::new(Body::Full(text.into()));
        response.headers_mut().insert(header::CONTENT_TYPE, "application/json".parse().unwrap());
        response
    }
}

#[tokio::test]
async fn an_upstream_with_a_private_authority_is_believed_where_that_is_set_and_nowhere_else() {
    let (made, other) = (certificate::make(1), certificate::make(2));
    let pem = TlsPem { chain: made.chain.as_bytes(), key: made.key.as_bytes(), client_roots: None };
    let listener =
        Listener::tls((Ipv4Addr::LOCALHOST, 0).into(), Tls::new(pem).unwrap().feed()).await.unwrap();
    let url = format!("https://{}/v1", listener.local_addr().unwrap());
    let upstream = tokio::spawn(serve(listener, Limits::default(), Model, std::future::pending()));
    let setup = || Setup::people().upstream("own", "openai", &url, "").model("test-model", &["own"], PRICE);
    for (roots, status, end) in [
        (Some(&made), 200, End::Complete),
        (Some(&other), 502, End::Unreachable),
        (None, 502, End::Unreachable),
    ] {
        let setup = roots.map_or_else(setup, |roots| setup().roots(&roots.chain));
        let house = setup.start().await;
        let token = house.token(BOT).await;
        assert_eq!((house.chat(&token, "hi").await.status, house.outcome().await.end), (status, end));
    }
    upstream.abort();
}
