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
        let says = says.into();
        let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let asked = Arc::new(AtomicU64::new(0));
        let counter = Arc::clone(&asked);
        let task = tokio::spawn(async move {
            let mut held = Vec::new();
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut heard = Vec::new();
                // Bodies of these tests end in `}`, and nothing before them does at the end of a read.
                while !heard.ends_with(b"}") && stream.read_buf(&mut heard).await.unwrap() > 0 {}
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
