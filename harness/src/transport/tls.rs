//! TLS towards a target: whom to trust, who we are, what is offered.
//!
//! A leaf.

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{Resumption, WebPkiServerVerifier, verify_server_name};
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{ClientConfig, DigitallySignedStruct, HandshakeKind, RootCertStore, SignatureScheme};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

const HTTP_2: &[u8] = b"h2";
const HTTP_1_1: &[u8] = b"http/1.1";

/// Which HTTP is spoken.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Http {
    /// HTTP/1.1.
    #[default]
    One,
    /// HTTP/2; without TLS by prior knowledge.
    Two,
    /// Over TLS what the target chooses of both, else HTTP/1.1.
    Auto,
}

/// How a target is trusted, and what it is shown.
#[derive(Debug, Clone, Default)]
pub struct TlsOptions {
    /// Certificates to trust; `None` trusts those that this machine trusts.
    pub authorities: Option<Vec<CertificateDer<'static>>>,
    /// Our certificate with its chain, and its key.
    pub identity: Option<(Vec<CertificateDer<'static>>, Arc<PrivateKeyDer<'static>>)>,
    /// Name that the target's certificate is for, and that it is told (SNI), where that is not its host.
    pub name: Option<String>,
    /// Trust any certificate.
    pub is_insecure: bool,
    /// Whether a connection may resume what an earlier one has agreed on. Every connection stands for another client,
    /// so as a rule not.
    pub resumes: bool,
}

/// Makes TLS connections to one target.
#[derive(Clone)]
pub struct Tls {
    connector: TlsConnector,
    /// Offers HTTP/1.1 alone: what WebSocket connections begin with.
    held: TlsConnector,
    name: ServerName<'static>,
}

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "TLS to {:?}", self.name)
    }
}

/// A connection that is encrypted now.
pub(super) struct Secured {
    pub(super) stream: TlsStream<TcpStream>,
    pub(super) is_resumed: bool,
    /// What the target chose.
    pub(super) is_http_2: bool,
}

impl Tls {
    /// TLS to `host` (a name or an address), offering `http`.
    ///
    /// # Errors
    /// What is wrong with the certificates or the name.
    pub fn new(options: &TlsOptions, host: &str, http: Http) -> Result<Self, String> {
        let name = options.name.as_deref().unwrap_or(host).trim_matches(['[', ']']);
        let name =
            ServerName::try_from(name.to_owned()).map_err(|_| format!("`{name}` is no name for a certificate"))?;
        let provider = Arc::new(ring::default_provider());
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(|error| error.to_string())?;
        let builder = builder
            .dangerous()
            .with_custom_certificate_verifier(verifier(options, &provider)?);
        let mut config = match &options.identity {
            None => builder.with_no_client_auth(),
            Some((chain, key)) => builder
                .with_client_auth_cert(chain.clone(), key.clone_key())
                .map_err(|error| format!("the client certificate does not fit its key: {error}"))?,
        };
        config.alpn_protocols = match http {
            Http::One => vec![HTTP_1_1.to_vec()],
            Http::Two => vec![HTTP_2.to_vec()],
            Http::Auto => vec![HTTP_2.to_vec(), HTTP_1_1.to_vec()],
        };
        if !options.resumes {
            config.resumption = Resumption::disabled();
        }
        let mut held = config.clone();
        held.alpn_protocols = vec![HTTP_1_1.to_vec()];
        Ok(Self {
            connector: TlsConnector::from(Arc::new(config)),
            held: TlsConnector::from(Arc::new(held)),
            name,
        })
    }

    /// Encrypts a connection for requests.
    pub(super) async fn secure(&self, stream: TcpStream) -> std::io::Result<Secured> {
        self.secure_by(&self.connector, stream).await
    }

    /// Encrypts a connection that is held, which begins in HTTP/1.1.
    pub(super) async fn secure_held(&self, stream: TcpStream) -> std::io::Result<Secured> {
        self.secure_by(&self.held, stream).await
    }

    async fn secure_by(&self, connector: &TlsConnector, stream: TcpStream) -> std::io::Result<Secured> {
        let stream = connector.connect(self.name.clone(), stream).await.map_err(told)?;
        let session = stream.get_ref().1;
        Ok(Secured {
            is_resumed: session.handshake_kind() == Some(HandshakeKind::Resumed),
            is_http_2: session.alpn_protocol() == Some(HTTP_2),
            stream,
        })
    }
}

/// Says what to do where a certificate is not trusted.
fn told(error: std::io::Error) -> std::io::Error {
    let cause = error.get_ref().and_then(|cause| cause.downcast_ref::<rustls::Error>());
    match cause {
        Some(rustls::Error::InvalidCertificate(_)) => std::io::Error::new(
            error.kind(),
            format!(
                "{error}; name its issuer in target.tls.ca and its name in target.tls.name, or set target.tls.insecure"
            ),
        ),
        _ => error,
    }
}

fn verifier(options: &TlsOptions, provider: &Arc<CryptoProvider>) -> Result<Arc<Verifier>, String> {
    let verifier = |issued| {
        Arc::new(Verifier {
            known: options.authorities.clone().unwrap_or_default(),
            issued,
            provider: Arc::clone(provider),
        })
    };
    if options.is_insecure {
        return Ok(verifier(None));
    }
    let mut roots = RootCertStore::empty();
    match &options.authorities {
        Some(authorities) => {
            for authority in authorities {
                let added = roots.add(authority.clone());
                added.map_err(|error| format!("a certificate to trust cannot be read: {error}"))?;
            }
        }
        None => drop(roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs)),
    }
    if roots.is_empty() {
        return Err("this machine trusts no certificates (is the package ca-certificates installed?); name some in target.tls.ca".to_owned());
    }
    let issued = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider)).build();
    Ok(verifier(Some(issued.map_err(|error| error.to_string())?)))
}

/// Trusts what a known authority has issued, and a certificate that is itself among those that are known: the one that
/// a test server has made for itself is as a rule marked as an authority's, which no server should have. Whoever is
/// trusted has to hold the key.
#[derive(Debug)]
struct Verifier {
    known: Vec<CertificateDer<'static>>,
    /// `None` where anybody is trusted.
    issued: Option<Arc<WebPkiServerVerifier>>,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let Some(issued) = &self.issued else {
            return Ok(ServerCertVerified::assertion());
        };
        if self.known.iter().any(|known| known.as_ref() == end_entity.as_ref()) {
            verify_server_name(&ParsedCertificate::try_from(end_entity)?, server_name)?;
            return Ok(ServerCertVerified::assertion());
        }
        issued.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
