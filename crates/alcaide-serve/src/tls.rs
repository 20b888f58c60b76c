//! TLS 1.2 and 1.3 with rustls over aws-lc-rs; the certificate can be changed while connections run.
//!
//! Certificates and keys come in as PEM text: who reads files is somebody else. A new certificate that cannot
//! be used is refused and the old one stays. The key is handed to rustls and kept nowhere else here; the
//! caller wipes its own copy.

use std::sync::Arc;

use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio::sync::watch;

/// Holds the certificate of a listener and changes it.
#[derive(Debug)]
pub struct Tls {
    sender: watch::Sender<Arc<ServerConfig>>,
}

/// The end of a [`Tls`] that a listener keeps.
#[derive(Clone, Debug)]
pub struct TlsFeed {
    receiver: watch::Receiver<Arc<ServerConfig>>,
}

/// What a TLS listener shows and asks for.
#[derive(Clone, Copy)]
pub struct TlsPem<'a> {
    /// Certificate chain, leaf first, PEM.
    pub chain: &'a [u8],
    /// Private key of the leaf, PEM (PKCS #8, SEC 1 or PKCS #1).
    pub key: &'a [u8],
    /// Roots of client certificates, PEM; with them a client may show a certificate (and a wrong one ends the
    /// handshake), without them none is asked for.
    pub client_roots: Option<&'a [u8]>,
}

impl std::fmt::Debug for TlsPem<'_> {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("TlsPem { .. }")
    }
}

impl Tls {
    /// Takes the first certificate.
    ///
    /// # Errors
    /// [`TlsError`] for what is wrong with it.
    pub fn new(pem: TlsPem<'_>) -> Result<Self, TlsError> {
        let (sender, _) = watch::channel(server_config(pem)?);
        Ok(Self { sender })
    }

    /// What a listener takes.
    #[must_use]
    pub fn feed(&self) -> TlsFeed {
        TlsFeed { receiver: self.sender.subscribe() }
    }

    /// Changes the certificate for connections to come.
    ///
    /// # Errors
    /// [`TlsError`]; then the old one stays.
    pub fn reload(&self, pem: TlsPem<'_>) -> Result<(), TlsError> {
        let config = server_config(pem)?;
        self.sender.send_replace(config);
        Ok(())
    }
}

impl TlsFeed {
    pub(crate) fn config(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.receiver.borrow())
    }
}

/// Why a certificate cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsError {
    /// No certificate in the chain's text, or a broken one.
    #[error("the certificate chain is not PEM with at least one certificate")]
    Chain,
    /// No key in the key's text, or a broken one.
    #[error("the private key is not PEM")]
    Key,
    /// No certificate among the client roots, or one that is no root.
    #[error("the client roots are not PEM with at least one usable certificate")]
    ClientRoots,
    /// Key and certificate do not belong together, or are of a kind that is not supported.
    #[error("the certificate and its key cannot be used together")]
    Unusable {
        /// What rustls says.
        #[source]
        source: rustls::Error,
    },
}

impl TlsError {
    /// What to do.
    #[must_use]
    pub const fn help(&self) -> &'static str {
        match self {
            Self::Chain => "give the leaf certificate and its intermediates as `BEGIN CERTIFICATE` blocks",
            Self::Key => "give the key as a `BEGIN PRIVATE KEY` block, without a passphrase",
            Self::ClientRoots => "give the authorities of client certificates as `BEGIN CERTIFICATE` blocks",
            Self::Unusable { .. } => {
                "give the key that the leaf certificate was made for: ECDSA, Ed25519 or RSA"
            }
        }
    }
}

fn server_config(pem: TlsPem<'_>) -> Result<Arc<ServerConfig>, TlsError> {
    let chain = certificates(pem.chain).ok_or(TlsError::Chain)?;
    let key = PrivateKeyDer::from_pem_slice(pem.key).map_err(|_| TlsError::Key)?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let unusable = |source| TlsError::Unusable { source };
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(unusable)?;
    let builder = match pem.client_roots {
        None => builder.with_no_client_auth(),
        Some(text) => {
            let mut roots = RootCertStore::empty();
            for root in certificates(text).ok_or(TlsError::ClientRoots)? {
                roots.add(root).map_err(|_| TlsError::ClientRoots)?;
            }
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
                .allow_unauthenticated()
                .build()
                .map_err(|_| TlsError::ClientRoots)?;
            builder.with_client_cert_verifier(verifier)
        }
    };
    let mut config = builder.with_single_cert(chain, key).map_err(unusable)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

fn certificates(pem: &[u8]) -> Option<Vec<CertificateDer<'static>>> {
    let chain: Vec<_> = CertificateDer::pem_slice_iter(pem).collect::<Result<_, _>>().ok()?;
    (!chain.is_empty()).then_some(chain)
}
