//! The gateway's certificate: from files, or made by itself for this machine.

use std::path::Path;
use std::sync::Arc;

use anyhow::Context;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;

use super::file::{Files, SelfMade, Tls};

/// Names that a certificate of our own is for.
const NAMES: [&str; 3] = ["localhost", "127.0.0.1", "::1"];

/// What encrypts connections; `None` where they are not encrypted.
pub(super) fn acceptor(tls: &Tls) -> anyhow::Result<Option<TlsAcceptor>> {
    let (chain, key) = match tls {
        Tls::None => return Ok(None),
        Tls::Files(files) => from_files(files)?,
        Tls::SelfMade(made) => self_made(made)?,
    };
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("the provider has suites for the default versions")
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .context("the certificate of `tls` cannot be used")?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Some(TlsAcceptor::from(Arc::new(config))))
}

type Identity = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

fn from_files(Files { certificate, key }: &Files) -> anyhow::Result<Identity> {
    let read = || CertificateDer::pem_file_iter(certificate)?.collect::<Result<Vec<_>, _>>();
    let chain = read().with_context(|| unreadable("certificate", certificate))?;
    let key = PrivateKeyDer::from_pem_file(key).with_context(|| unreadable("key", key))?;
    Ok((chain, key))
}

fn unreadable(what: &str, file: &Path) -> String {
    format!(
        "failed to read {} (`tls.files.{what}`), expected a {what} in PEM",
        file.display()
    )
}

fn self_made(SelfMade { certificate }: &SelfMade) -> anyhow::Result<Identity> {
    let made = rcgen::generate_simple_self_signed(NAMES.map(str::to_owned)).context("failed to make a certificate")?;
    std::fs::write(certificate, made.cert.pem()).with_context(|| {
        format!(
            "failed to write {} (`tls.self_made.certificate`)",
            certificate.display()
        )
    })?;
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).map_err(anyhow::Error::msg)?;
    Ok((vec![made.cert.der().clone()], key))
}
