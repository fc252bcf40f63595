//! TLS for a listener: certificates from files, read again when the files change.

use std::fs::Metadata;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};

use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{RootCertStore, ServerConfig};

use crate::door::locked;

/// How often the files are looked at, where there are new connections.
const LOOK: Duration = Duration::from_secs(1);

/// PEM files. With a file of authorities, a client must show a certificate that one of them signed.
#[derive(Clone, Debug)]
pub struct Certificates {
    pub chain: PathBuf,
    pub key: PathBuf,
    pub client_authorities: Option<PathBuf>,
}

/// When and how large each file was: another answer means another file.
type Stamp = Vec<Option<(SystemTime, u64)>>;

struct Current {
    config: Arc<ServerConfig>,
    stamp: Stamp,
    looked: Instant,
}

/// What a listener answers handshakes with.
pub struct Tls {
    files: Certificates,
    protocols: Vec<Vec<u8>>,
    current: Mutex<Current>,
}

impl Tls {
    /// `protocols` are the names to agree on, the best first.
    pub fn new(files: Certificates, protocols: &[&str]) -> io::Result<Self> {
        let protocols: Vec<_> = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
        let stamp = files.stamp();
        let config = files.read(&protocols)?;
        let current = Mutex::new(Current { config, stamp, looked: Instant::now() });
        Ok(Self { files, protocols, current })
    }

    /// The configuration for a new connection, and whether changed files could not be used in place of the old ones.
    pub fn config(&self) -> (Arc<ServerConfig>, bool) {
        let mut current = locked(&self.current);
        let mut failed = false;
        if current.looked.elapsed() >= LOOK {
            current.looked = Instant::now();
            let stamp = self.files.stamp();
            if stamp != current.stamp {
                // A certificate and a key that do not match yet are tried again.
                match self.files.read(&self.protocols) {
                    Ok(config) => (current.config, current.stamp) = (config, stamp),
                    Err(_) => failed = true,
                }
            }
        }
        (Arc::clone(&current.config), failed)
    }
}

impl Certificates {
    fn stamp(&self) -> Stamp {
        let of = |metadata: Metadata| Some((metadata.modified().ok()?, metadata.len()));
        let files = [Some(&self.chain), Some(&self.key), self.client_authorities.as_ref()];
        files.into_iter().flatten().map(|path| std::fs::metadata(path).ok().and_then(of)).collect()
    }

    fn read(&self, protocols: &[Vec<u8>]) -> io::Result<Arc<ServerConfig>> {
        let bad = |path: &PathBuf, error: &dyn std::fmt::Display| {
            io::Error::new(io::ErrorKind::InvalidData, format!("{}: {error}", path.display()))
        };
        let certificates = |path: &PathBuf| {
            let found: Result<Vec<_>, _> =
                CertificateDer::pem_file_iter(path).and_then(Iterator::collect).map_err(|error| bad(path, &error));
            found.and_then(|found| if found.is_empty() { Err(bad(path, &"no certificate")) } else { Ok(found) })
        };
        let key = PrivateKeyDer::from_pem_file(&self.key).map_err(|error| bad(&self.key, &error))?;
        let provider = Arc::new(ring::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider));
        let builder = builder.with_safe_default_protocol_versions().map_err(|error| bad(&self.chain, &error))?;
        let builder = match &self.client_authorities {
            None => builder.with_no_client_auth(),
            Some(path) => {
                let mut roots = RootCertStore::empty();
                for authority in certificates(path)? {
                    roots.add(authority).map_err(|error| bad(path, &error))?;
                }
                let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build();
                builder.with_client_cert_verifier(verifier.map_err(|error| bad(path, &error))?)
            }
        };
        let chain = certificates(&self.chain)?;
        let mut config = builder.with_single_cert(chain, key).map_err(|error| bad(&self.chain, &error))?;
        config.alpn_protocols = protocols.to_vec();
        Ok(Arc::new(config))
    }
}
