//! Certificates that must not be trusted, and clients with only one version of TLS.

use std::sync::Arc;

use rcgen::{KeyPair, date_time_ymd};
use waterwheel::rustls::crypto::ring::default_provider;
use waterwheel::rustls::pki_types::CertificateDer;
use waterwheel::rustls::pki_types::pem::PemObject;
use waterwheel::rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion};

use crate::common::certificates::{Authority, Identity, params_for};

impl Identity {
    /// The certificate, in the form that rustls uses.
    pub(crate) fn certificate(&self) -> CertificateDer<'static> {
        CertificateDer::from_pem_slice(self.chain.as_bytes()).expect("it was made so")
    }
}

impl Authority {
    /// The configuration of a client that trusts this authority, and speaks one version of TLS.
    pub(crate) fn client_of(&self, version: &'static SupportedProtocolVersion) -> Arc<ClientConfig> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(self.pem.as_bytes()).expect("it was made so")).expect("it is good");
        let config = ClientConfig::builder_with_provider(Arc::new(default_provider()));
        let config = config.with_protocol_versions(&[version]).expect("it is spoken");
        Arc::new(config.with_root_certificates(roots).with_no_client_auth())
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
}

pub(crate) fn self_signed(names: &[&str]) -> Identity {
    let key = KeyPair::generate().expect("keys can be made");
    let chain = params_for(names).self_signed(&key).expect("it can sign itself").pem();
    Identity { chain, key: key.serialize_pem() }
}
