//! Whom TLS trusts: whom this machine does.

use std::{
    io,
    sync::{Arc, LazyLock},
};
use tokio_rustls::rustls::{CertificateError, ClientConfig, Error, RootCertStore, crypto::ring};

/// The authorities of this machine, read once.
pub(crate) static MACHINE: LazyLock<Arc<ClientConfig>> = LazyLock::new(|| {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("ring speaks TLS 1.2 and 1.3");
    Arc::new(builder.with_root_certificates(roots).with_no_client_auth())
});

/// Why there is no TLS, with what helps against the usual reasons.
pub(crate) fn why(error: &io::Error) -> String {
    match error.get_ref().and_then(|it| it.downcast_ref()) {
        Some(Error::InvalidMessage(_)) => {
            "it does not speak TLS; if that is meant, declare it plain-http".to_owned()
        }
        // As `ipam-runtime` has it for drivers' HTTP.
        Some(Error::InvalidCertificate(CertificateError::UnknownIssuer)) => format!(
            "{error}; SSL_CERT_FILE names a file with the certificates of the authorities that \
             are trusted, instead of this machine's"
        ),
        _ => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::why;
    use std::io;
    use tokio_rustls::rustls::{CertificateError, Error};

    #[test]
    fn an_unknown_authority_comes_with_what_helps() {
        let of = |error: Error| why(&io::Error::new(io::ErrorKind::InvalidData, error));
        let unknown = of(Error::InvalidCertificate(CertificateError::UnknownIssuer));
        assert!(unknown.contains("UnknownIssuer; SSL_CERT_FILE names"), "{unknown}");
        let expired = of(Error::InvalidCertificate(CertificateError::Expired));
        assert!(!expired.contains("SSL_CERT_FILE"), "{expired}");
    }
}
