//! The listeners of the house: bound as the settings say, watched while they serve, drained together.

use std::net::SocketAddr;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use alcaide_gateway::link::{HttpClient, RootsError};
use alcaide_serve::tls::TlsPem;
use alcaide_serve::{Drain, Listener, Tls, TlsError};
use anyhow::{Result, anyhow};
use tokio::task::{Id, JoinError, JoinSet};

use crate::settings::TlsFiles;

/// Longest certificate or key file, bytes: chains have a few KiB.
const PEM_BYTES_MAX: u64 = 1 << 20;

/// Binds an address: with TLS where files are given, in plain on loopback alone.
///
/// # Errors
/// [`TlsFilesError`] for the files, [`alcaide_serve::ListenError`] for the address.
pub(crate) async fn bind(addr: SocketAddr, tls: Option<&TlsFiles>) -> Result<Listener> {
    match tls {
        None => Ok(Listener::tcp(addr).await?),
        Some(files) => Ok(Listener::tls(addr, read_tls(files)?.feed()).await?),
    }
}

/// Reads certificate and key and finds out whether they can be used together.
///
/// # Errors
/// [`TlsFilesError`].
pub(crate) fn read_tls(files: &TlsFiles) -> Result<Tls, TlsFilesError> {
    let chain = read(&files.certificate)?;
    let key = read(&files.key)?;
    let about = std::fs::metadata(&files.key).map_err(|source| file(&files.key, source))?;
    if about.mode() & 0o077 != 0 {
        return Err(TlsFilesError::Open { path: files.key.clone() });
    }
    let pem = TlsPem { chain: &chain, key: &key, client_roots: None };
    Tls::new(pem).map_err(|source| TlsFilesError::Unusable { path: files.certificate.clone(), source })
}

/// The client of upstreams, with the private authorities of a file where one is named.
///
/// # Errors
/// [`TlsFilesError`].
pub(crate) fn upstream_client(roots: Option<&Path>) -> Result<HttpClient, TlsFilesError> {
    let pem = roots.map(read).transpose()?;
    let path = roots.unwrap_or(Path::new(""));
    HttpClient::new(pem.as_deref()).map_err(|source| TlsFilesError::Roots { path: path.to_owned(), source })
}

fn read(path: &Path) -> Result<Vec<u8>, TlsFilesError> {
    let about = std::fs::metadata(path).map_err(|source| file(path, source))?;
    if about.len() > PEM_BYTES_MAX {
        let source = std::io::Error::new(std::io::ErrorKind::FileTooLarge, "it has more than 1 MiB");
        return Err(file(path, source));
    }
    std::fs::read(path).map_err(|source| file(path, source))
}

fn file(path: &Path, source: std::io::Error) -> TlsFilesError {
    TlsFilesError::File { path: path.to_owned(), source }
}

/// Why certificate and key cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TlsFilesError {
    /// The system refused to read one.
    #[error("`{}` could not be read: {source}", path.display())]
    File {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    /// Others may read the key.
    #[error("the key `{}` can be read by others", path.display())]
    Open { path: PathBuf },
    /// They are no certificate and key that belong together.
    #[error("`{}`: {source}", path.display())]
    Unusable {
        path: PathBuf,
        #[source]
        source: TlsError,
    },
    /// Authorities of upstreams that are none.
    #[error("`{}`: {source}", path.display())]
    Roots {
        path: PathBuf,
        #[source]
        source: RootsError,
    },
}

impl TlsFilesError {
    /// What to do.
    pub(crate) fn help(&self) -> String {
        match self {
            Self::File { .. } => "check path and permissions; paths are taken as they stand".into(),
            Self::Open { path } => {
                format!("`chmod 600 {}`, and replace the key if others may have read it", path.display())
            }
            Self::Unusable { source, .. } => source.help().into(),
            Self::Roots { .. } => "give the authorities as `BEGIN CERTIFICATE` blocks".into(),
        }
    }
}

/// Listeners that serve.
#[derive(Default)]
pub(crate) struct Listeners {
    tasks: JoinSet<Drain>,
    names: Vec<(Id, &'static str)>,
}

impl Listeners {
    /// Serves in a task of its own.
    pub(crate) fn spawn(
        &mut self,
        name: &'static str,
        serving: impl Future<Output = Drain> + Send + 'static,
    ) {
        let id = self.tasks.spawn(serving).id();
        self.names.push((id, name));
    }

    /// Waits until one ends that was not told to; gives what to say.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub(crate) async fn ended(&mut self) -> anyhow::Error {
        match self.tasks.join_next_with_id().await {
            None => anyhow!("no listener serves"),
            Some(ended) => {
                let (name, why) = self.report(ended);
                anyhow!("the {name} listener ended by itself: {why}")
            }
        }
    }

    /// Waits until all have drained, and tells what was cut.
    ///
    /// # Errors
    /// If one ended by a panic.
    pub(crate) async fn drained(mut self) -> Result<()> {
        let mut outcome = Ok(());
        while let Some(ended) = self.tasks.join_next_with_id().await {
            let failed = ended.is_err();
            let (name, why) = self.report(ended);
            if failed && outcome.is_ok() {
                outcome = Err(anyhow!("the {name} listener: {why}"));
            }
        }
        outcome
    }

    fn report(&self, ended: Result<(Id, Drain), JoinError>) -> (&'static str, String) {
        let id = match &ended {
            Ok((id, _)) => *id,
            Err(error) => error.id(),
        };
        let name = self.names.iter().find(|(known, _)| *known == id).map_or("unknown", |(_, name)| name);
        match ended {
            Ok((_, drain)) => {
                if drain.is_clean() {
                    tracing::info!(listener = name, calls = drain.calls, "drained");
                } else {
                    tracing::warn!(
                        listener = name,
                        cut_calls = drain.cut_calls,
                        panics = drain.panics,
                        "drained, not clean"
                    );
                }
                (name, drain.broken.map_or_else(|| "it stopped".to_owned(), |kind| kind.to_string()))
            }
            Err(error) if error.is_panic() => (name, "its task panicked".to_owned()),
            Err(error) => (name, error.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_listener_that_ends_alone_is_named() {
        let mut listeners = Listeners::default();
        listeners.spawn("gate", std::future::pending());
        listeners.spawn("office", async { panic!("as a defect would") });
        let told = listeners.ended().await.to_string();
        assert_eq!(told, "the office listener ended by itself: its task panicked");
        listeners.spawn("operator", async { Drain::default() });
        let told = listeners.ended().await.to_string();
        assert_eq!(told, "the operator listener ended by itself: it stopped");
    }

    #[test]
    fn certificates_that_cannot_be_used_are_told_with_their_cure() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let files = TlsFiles { certificate: path("chain.pem"), key: path("key.pem") };
        let tried = || read_tls(&files).err().unwrap();
        assert!(matches!(tried(), TlsFilesError::File { .. }));
        let made = alcaide_testkit::certificate::make(1);
        let other = alcaide_testkit::certificate::make(2);
        std::fs::write(&files.certificate, &made.chain).unwrap();
        std::fs::write(&files.key, &made.key).unwrap();
        std::fs::set_permissions(&files.key, std::fs::Permissions::from_mode(0o640)).unwrap();
        assert!(matches!(tried(), TlsFilesError::Open { .. }));
        assert!(tried().help().starts_with("`chmod 600 "));
        std::fs::set_permissions(&files.key, std::fs::Permissions::from_mode(0o600)).unwrap();
        assert!(read_tls(&files).is_ok());
        std::fs::write(&files.key, &other.key).unwrap();
        assert!(matches!(tried(), TlsFilesError::Unusable { .. }));
        std::fs::write(&files.certificate, "no certificate").unwrap();
        assert!(matches!(tried(), TlsFilesError::Unusable { source: TlsError::Chain, .. }));
    }
}
