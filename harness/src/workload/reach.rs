//! How the target of a variant is reached, where bmt does not start it.

use std::sync::Arc;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};

use super::domain::{Host, Reach, Variant, Work};
use super::file::{TlsFile, VariantFile, WorkloadFile};
use super::folder::{Folder, Refused};
use super::judge::Judge;
use super::shape::join;
use super::target_url::TargetUrl;
use crate::template::{Sources, Template};
use crate::transport::{Http, TlsOptions};

const PEM: &str = "a file in PEM, which has lines such as -----BEGIN CERTIFICATE-----";

impl Judge<'_> {
    /// How the target of each variant is reached.
    pub(super) fn reaches(
        &mut self,
        file: &WorkloadFile,
        hosts: &[Host],
        data: &Sources,
        folder: &Folder,
    ) -> Vec<Reach> {
        let tls = self.tls(&file.target.tls, folder);
        // With a program, the address is where that listens, which it judges.
        let given = file.target.url.as_ref().filter(|_| !file.has_command());
        let mut urls = Host::urls(hosts);
        let first = (!urls.is_empty()).then(|| urls.remove(0));
        let url = given.and_then(|url| self.url("target.url", url)).or(first);
        let variants = file.variants.iter().enumerate();
        variants
            .map(|(index, variant)| {
                let path = format!("variants.{index}");
                if variant.url.is_some() && file.has_command() {
                    self.mistake(
                        &join(&path, "url"),
                        "variants of a program that bmt starts all listen where `target.url` says",
                        "leave it out; variants of a program differ in `command` and `env`",
                    );
                }
                let own = variant.url.as_ref().map(|url| self.url(&join(&path, "url"), url));
                Reach {
                    others: urls.clone(),
                    is_own: own.is_some() || !urls.is_empty(),
                    url: own.unwrap_or_else(|| url.clone()),
                    http: variant.http.unwrap_or(file.target.http).0,
                    tls: tls.clone(),
                    connections: self.connections(&path, variant, file),
                    streams: variant.streams.unwrap_or(file.generator.streams),
                    headers: self.headers_of_variant(&path, variant, data),
                }
            })
            .collect()
    }

    pub(super) fn url(&mut self, path: &str, url: &str) -> Option<TargetUrl> {
        let read = TargetUrl::read(url);
        if let Err(what) = &read {
            self.mistake(path, format!("`{url}` {what}"), TargetUrl::FORM);
        }
        read.ok()
    }

    fn connections(&mut self, path: &str, variant: &VariantFile, file: &WorkloadFile) -> u32 {
        let workers = u32::from(file.generator.workers);
        if let Some(few) = variant.connections.filter(|connections| *connections < workers) {
            self.mistake(
                &join(path, "connections"),
                format!("{few} cannot be shared among {workers} workers"),
                format!("at least {workers}"),
            );
        }
        variant.connections.unwrap_or(file.generator.connections)
    }

    fn headers_of_variant(&mut self, path: &str, variant: &VariantFile, data: &Sources) -> Vec<(String, Template)> {
        let path = join(path, "headers");
        let headers = variant.headers.iter();
        headers
            .filter_map(|(name, value)| self.header(&join(&path, name), name, value, data))
            .collect()
    }

    fn tls(&mut self, tls: &TlsFile, folder: &Folder) -> TlsOptions {
        const PATH: &str = "target.tls";
        let authorities = tls
            .ca
            .as_ref()
            .map(|name| self.certificates("target.tls.ca", name, folder));
        if tls.insecure && authorities.is_some() {
            self.mistake(
                PATH,
                "it is said whom to trust, and that anybody is trusted",
                "either `ca` or `insecure: true`",
            );
        }
        if let Some(name) = &tls.name
            && ServerName::try_from(name.as_str()).is_err()
        {
            self.mistake(
                "target.tls.name",
                format!("`{name}` is no name for a certificate"),
                "a host name",
            );
        }
        let identity = match (&tls.cert, &tls.key) {
            (Some(cert), Some(key)) => {
                let chain = self.certificates("target.tls.cert", cert, folder);
                self.key("target.tls.key", key, folder)
                    .map(|key| (chain, Arc::new(key)))
            }
            (None, None) => None,
            (Some(_), None) | (None, Some(_)) => {
                self.mistake(
                    PATH,
                    "a certificate of our own needs its key as well",
                    "both `cert` and `key`",
                );
                None
            }
        };
        TlsOptions {
            authorities,
            identity,
            name: tls.name.clone(),
            is_insecure: tls.insecure,
            resumes: tls.resumption,
        }
    }

    fn certificates(&mut self, path: &str, name: &str, folder: &Folder) -> Vec<CertificateDer<'static>> {
        let Some(bytes) = self.pem(path, name, folder) else {
            return Vec::new();
        };
        let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&bytes).collect();
        let certificates = read.unwrap_or_default();
        if certificates.is_empty() {
            self.mistake(path, format!("`{name}` has no certificate in it"), PEM);
        }
        certificates
    }

    fn key(&mut self, path: &str, name: &str, folder: &Folder) -> Option<PrivateKeyDer<'static>> {
        let bytes = self.pem(path, name, folder)?;
        let key = PrivateKeyDer::from_pem_slice(&bytes);
        if key.is_err() {
            self.mistake(path, format!("`{name}` has no private key in it"), PEM);
        }
        key.ok()
    }

    fn pem(&mut self, path: &str, name: &str, folder: &Folder) -> Option<Vec<u8>> {
        match folder.read(name) {
            Ok(bytes) => Some(bytes),
            Err(Refused { problem, allowed }) => {
                self.mistake(path, problem, allowed);
                None
            }
        }
    }

    /// The chats of a workload are made, and spoken to, by HTTP/1.1 without TLS.
    pub(super) fn chats_are_plain(&mut self, file: &WorkloadFile, variants: &[Variant], works: &[&Work]) {
        if !works.iter().any(|work| matches!(work, Work::Chat(_))) {
            return;
        }
        if !file.target.hosts.is_empty() {
            self.mistake(
                "target.hosts",
                "chats are made on one target, and there are several",
                "`url`, or `request` instead of `operation`",
            );
        }
        let is_encrypted = file.target.url.as_ref().is_some_and(|url| url.starts_with("https://"));
        let is_plain = |reach: &Reach| {
            !is_encrypted && reach.http == Http::One && !reach.url.as_ref().is_some_and(|url| url.is_tls)
        };
        if !variants.iter().all(|variant| is_plain(&variant.reach)) {
            let path = if file.target.url.is_some() {
                "target.url"
            } else {
                "target.http"
            };
            self.mistake(
                path,
                "operations on chats are spoken in HTTP/1.1 without TLS",
                "an http:// address and `http: 1.1`, or `request` instead of `operation`",
            );
        }
    }
}
