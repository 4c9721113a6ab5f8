//! Connections: directly or through a proxy, with TLS or in the clear.

use crate::{bounds::CONNECT_TIME, error::Error, proxy::Proxies, tls, url::Origin};
use ipam_http_client::Connection;
use std::sync::Arc;
use tokio::time::timeout;
use tokio_rustls::{
    TlsConnector,
    rustls::{ClientConfig, pki_types::ServerName},
};

/// A connection to a host, ready within [`CONNECT_TIME`].
pub(crate) async fn connect(
    origin: &Origin,
    config: &Arc<ClientConfig>,
    proxies: &Proxies,
) -> Result<Connection, Error> {
    let unreachable = |why: String| Error::Unreachable { host: origin.authority(), why };
    let connecting = async {
        let mut stream = match proxies.before(origin)? {
            None => origin.connect().await.map_err(|error| unreachable(error.to_string()))?,
            Some(proxy) => proxy
                .connect()
                .await
                .map_err(|error| unreachable(format!("{}: {error}", proxy.in_words())))?,
        };
        let connection = if origin.is_plain {
            Connection::over(stream).await
        } else {
            if let Some(proxy) = proxies.before(origin)? {
                proxy.tunnel(&mut stream, origin).await?;
            }
            let name = ServerName::try_from(origin.host.trim_matches(['[', ']']).to_owned())
                .map_err(|error| unreachable(error.to_string()))?;
            let stream = TlsConnector::from(config.clone()).connect(name, stream).await;
            Connection::over(stream.map_err(|error| unreachable(tls::why(&error)))?).await
        };
        connection.map_err(|error| unreachable(error.to_string()))
    };
    let connected = timeout(CONNECT_TIME, connecting).await;
    connected.unwrap_or_else(|_| Err(unreachable(format!("no connection in {CONNECT_TIME:?}"))))
}
