//! Certificates made for one test run: an authority, and whatever it signs.

#![allow(dead_code, reason = "each test program uses a part of it")]

use std::path::PathBuf;
use std::sync::Arc;
use std::{env, fs, process};

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, date_time_ymd};
use waterwheel::rustls::crypto::ring::default_provider;
use waterwheel::rustls::pki_types::CertificateDer;
use waterwheel::rustls::pki_types::pem::PemObject;
use waterwheel::rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion};

/// Somebody with a certificate: its PEM text, and that of its private key.
pub(crate) struct Identity {
    pub(crate) chain: String,
    pub(crate) key: String,
}

impl Identity {
    /// The certificate, as others are shown it.
    pub(crate) fn certificate(&self) -> CertificateDer<'static> {
        CertificateDer::from_pem_slice(self.chain.as_bytes()).expect("it was made so")
    }
}

/// Who signs certificates.
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    /// What whoever trusts it has to know.
    pub(crate) pem: String,
}

impl Authority {
    pub(crate) fn new() -> Authority {
        let mut params = CertificateParams::new(Vec::new()).expect("no name is no bad name");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("keys can be made");
        // Two authorities of one name would be told apart by their signatures only.
        let name = format!("An authority for tests: {:?}", &key.public_key_raw()[..8]);
        params.distinguished_name.push(DnType::CommonName, name);
        let pem = params.self_signed(&key).expect("it can sign itself").pem();
        Authority { issuer: Issuer::new(params, key), pem }
    }

    /// The configuration of a client that trusts it, and speaks one version of TLS.
    pub(crate) fn client_of(&self, version: &'static SupportedProtocolVersion) -> Arc<ClientConfig> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(self.pem.as_bytes()).expect("it was made so")).expect("it is good");
        let config = ClientConfig::builder_with_provider(Arc::new(default_provider()));
        let config = config.with_protocol_versions(&[version]).expect("it is spoken");
        Arc::new(config.with_root_certificates(roots).with_no_client_auth())
    }

    /// A certificate for these names and addresses.
    pub(crate) fn sign(&self, names: &[&str]) -> Identity {
        self.sign_with(names, |_| {})
    }

    pub(crate) fn sign_expired(&self, names: &[&str]) -> Identity {
        self.sign_with(names, |params| {
            params.not_before = date_time_ymd(2020, 1, 1);
            params.not_after = date_time_ymd(2021, 1, 1);
        })
    }

    pub(crate) fn sign_early(&self, names: &[&str]) -> Identity {
        self.sign_with(names, |params| {
            params.not_before = date_time_ymd(3000, 1, 1);
            params.not_after = date_time_ymd(3001, 1, 1);
        })
    }

    fn sign_with(&self, names: &[&str], change: impl FnOnce(&mut CertificateParams)) -> Identity {
        let mut params = params_for(names);
        change(&mut params);
        let key = KeyPair::generate().expect("keys can be made");
        let chain = params.signed_by(&key, &self.issuer).expect("the authority signs").pem();
        Identity { chain, key: key.serialize_pem() }
    }
}

pub(crate) fn self_signed(names: &[&str]) -> Identity {
    let key = KeyPair::generate().expect("keys can be made");
    let chain = params_for(names).self_signed(&key).expect("it can sign itself").pem();
    Identity { chain, key: key.serialize_pem() }
}

fn params_for(names: &[&str]) -> CertificateParams {
    let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
    let mut params = CertificateParams::new(names).expect("the names are good");
    params.distinguished_name.push(DnType::CommonName, "Somebody in a test");
    params
}

/// Files for programs that read certificates from files; removed when dropped.
pub(crate) struct Files {
    directory: PathBuf,
}

impl Files {
    pub(crate) fn new(topic: &str) -> Files {
        let directory = env::temp_dir().join(format!("waterwheel-{topic}-{}", process::id()));
        fs::create_dir_all(&directory).expect("a temporary directory can be made");
        Files { directory }
    }

    /// Writes a file and gives its path.
    pub(crate) fn put(&self, name: &str, text: &str) -> String {
        let path = self.path(name);
        fs::write(&path, text).expect("a temporary file can be written");
        path
    }

    /// The path of a file, whether or not it is there.
    pub(crate) fn path(&self, name: &str) -> String {
        self.directory.join(name).to_str().expect("temporary paths are plain").to_owned()
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.directory);
    }
}
