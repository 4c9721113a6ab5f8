//! Whom TLS trusts.

use crate::read_regular;
use std::{
    io,
    path::Path,
    sync::{Arc, LazyLock},
};
use tokio_rustls::rustls::{
    CertificateError, ClientConfig, ConfigBuilder, Error, RootCertStore, WantsVerifier,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
};

/// The largest file of certificates or a key, in bytes.
const FILE_BYTES: u64 = 1 << 20;

/// Whom this machine trusts, read once.
pub(crate) static MACHINE: LazyLock<Arc<ClientConfig>> =
    LazyLock::new(|| Arc::new(builder().with_root_certificates(roots()).with_no_client_auth()));

fn roots() -> RootCertStore {
    let mut roots = RootCertStore::empty();
    let found = rustls_native_certs::load_native_certs();
    let (taken, left) = roots.add_parsable_certificates(found.certs);
    tracing::info!(taken, left, errors = found.errors.len(), "authorities for TLS were read");
    roots
}

/// What helps where TLS failed, for the operator.
pub(crate) fn help(error: &io::Error) -> Option<&'static str> {
    let cause = error.get_ref()?.downcast_ref()?;
    matches!(cause, Error::InvalidCertificate(CertificateError::UnknownIssuer)).then_some(
        "SSL_CERT_FILE names a file with the certificates of the authorities that are trusted, \
         instead of this machine's",
    )
}

fn builder() -> ConfigBuilder<ClientConfig, WantsVerifier> {
    ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("ring speaks TLS 1.2 and 1.3")
}

/// Whom the authorities of a file vouch for, instead of those of this machine,
/// and who we are, if they want to know: a chain of certificates and its key.
pub(crate) fn of_files(
    authorities: Option<&Path>,
    identity: Option<(&Path, &Path)>,
) -> io::Result<Arc<ClientConfig>> {
    let roots = match authorities {
        Some(file) => {
            let mut roots = RootCertStore::empty();
            for authority in certificates(file)? {
                roots.add(authority).map_err(|error| bad(file, &error))?;
            }
            roots
        }
        None => roots(),
    };
    let builder = builder().with_root_certificates(roots);
    let Some((chain, key)) = identity else { return Ok(Arc::new(builder.with_no_client_auth())) };
    let chain = certificates(chain)?;
    let config = builder.with_client_auth_cert(
        chain,
        PrivateKeyDer::from_pem_slice(&read(key)?).map_err(|error| bad(key, &error))?,
    );
    config.map(Arc::new).map_err(|error| bad(key, &error))
}

fn certificates(file: &Path) -> io::Result<Vec<CertificateDer<'static>>> {
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&read(file)?).collect();
    match certificates.map_err(|error| bad(file, &error))? {
        none if none.is_empty() => Err(bad(file, &"there is no certificate in it")),
        some => Ok(some),
    }
}

fn read(file: &Path) -> io::Result<Vec<u8>> {
    read_regular(file, FILE_BYTES).map_err(|error| bad(file, &error))
}

fn bad(file: &Path, why: &dyn std::fmt::Display) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("{}: {why}", file.display()))
}

#[cfg(test)]
mod tests {
    use super::help;
    use std::io;
    use tokio_rustls::rustls::{CertificateError, Error};

    #[test]
    fn help_is_for_an_unknown_authority_alone() {
        let failed = |error: Error| help(&io::Error::new(io::ErrorKind::InvalidData, error));
        let of_certificate = |error| failed(Error::InvalidCertificate(error));
        let words = of_certificate(CertificateError::UnknownIssuer).unwrap();
        assert!(words.contains("SSL_CERT_FILE"), "{words}");
        assert_eq!(of_certificate(CertificateError::Expired), None);
        assert_eq!(failed(Error::DecryptError), None);
        assert_eq!(help(&io::Error::from(io::ErrorKind::UnexpectedEof)), None);
    }
}
