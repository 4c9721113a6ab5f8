//! Whom TLS trusts: whom this machine does.

use std::sync::{Arc, LazyLock};
use tokio_rustls::rustls::{ClientConfig, RootCertStore, crypto::ring};

/// The authorities of this machine, read once.
pub(crate) static MACHINE: LazyLock<Arc<ClientConfig>> = LazyLock::new(|| {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("ring speaks TLS 1.2 and 1.3");
    Arc::new(builder.with_root_certificates(roots).with_no_client_auth())
});
