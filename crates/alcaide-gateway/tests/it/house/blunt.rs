//! Upstreams that say exactly what a test puts into their mouth, and one that is not there.

use super::*;

/// A port of loopback where nobody listens.
pub(crate) async fn dead_url() -> String {
    let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    format!("http://{}/v1", listener.local_addr().unwrap())
}

/// An upstream that says exactly these bytes to each request, and then closes or holds the connection.
pub(crate) struct Blunt {
    pub(crate) address: SocketAddr,
    pub(crate) asked: Arc<AtomicU64>,
    task: JoinHandle<()>,
}

impl Drop for Blunt {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Blunt {
    pub(crate) async fn start(says: impl Into<Bytes>, holds: bool) -> Self {
        // Bodies of most tests end in `}`, and nothing before them does at the end of a read.
        Self::asked_with(b"}", says.into(), holds).await
    }

    /// One that is asked with the form of a token endpoint.
    pub(crate) async fn asked_in_form(says: &'static [u8], holds: bool) -> Self {
        Self::asked_with(b"grant_type=client_credentials", Bytes::from_static(says), holds).await
    }

    async fn asked_with(end: &'static [u8], says: Bytes, holds: bool) -> Self {
        let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let asked = Arc::new(AtomicU64::new(0));
        let counter = Arc::clone(&asked);
        let task = tokio::spawn(async move {
            let mut held = Vec::new();
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut heard = Vec::new();
                while !heard.ends_with(end) && stream.read_buf(&mut heard).await.unwrap() > 0 {}
                counter.fetch_add(1, Ordering::SeqCst);
                stream.write_all(&says).await.unwrap();
                if holds {
                    held.push(stream);
                }
            }
        });
        Self { address, asked, task }
    }

    /// A stream of server-sent events.
    pub(crate) async fn events(text: &str, holds: bool) -> Self {
        let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n";
        Self::start(format!("{head}{text}"), holds).await
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/v1", self.address)
    }

    pub(crate) fn asked(&self) -> u64 {
        self.asked.load(Ordering::SeqCst)
    }

    /// A house whose `test-model` is here.
    pub(crate) fn setup(&self) -> Setup {
        Setup::people().upstream("blunt", "openai", &self.url(), "").model("test-model", &["blunt"], PRICE)
    }
}
