//! The contract's values as plain data, for what is stored.
//!
//! `ipam-api` knows no serde, and what is stored must not change because a
//! name there does: so each value that is not plain says here what it is.

use ipam_api::{Capability, Digest, DriverName, PoolId, Server};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use std::borrow::Cow;

/// Declares how a value is written and read back: through another one.
macro_rules! plain {
    ($module:ident: $value:ty as $plain:ty, $write:expr, $read:expr) => {
        pub(crate) mod $module {
            use super::*;

            pub(crate) fn serialize<S: Serializer>(
                value: &$value,
                serializer: S,
            ) -> Result<S::Ok, S::Error> {
                let write: fn(&$value) -> $plain = $write;
                write(value).serialize(serializer)
            }

            pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
                deserializer: D,
            ) -> Result<$value, D::Error> {
                let read: fn($plain) -> Option<$value> = $read;
                read(<$plain>::deserialize(deserializer)?)
                    .ok_or_else(|| D::Error::custom(concat!("no ", stringify!($module))))
            }
        }
    };
}

plain!(pool_id: PoolId as Cow<'_, str>, |id| Cow::Borrowed(id.as_str()), |text| PoolId::try_from(
    &*text
)
.ok());
plain!(driver: DriverName as Cow<'_, str>, |name| Cow::Borrowed(name.as_str()), |text| text
    .parse()
    .ok());
plain!(digest: Option<Digest> as Option<[u8; 32]>, |digest| digest.map(|it| it.0), |bytes| Some(
    bytes.map(Digest)
));
plain!(
    capability: Capability as (bool, bool),
    |it| (it.requires_mac_address, it.requires_request_replay),
    |(requires_mac_address, requires_request_replay)| {
        Some(Capability { requires_mac_address, requires_request_replay })
    }
);
plain!(server: Server as u8, number, |number| SERVERS
    .into_iter()
    .find(|&server| self::number(&server) == number));

const SERVERS: [Server; 5] =
    [Server::Docker, Server::Cni, Server::Library, Server::Operator, Server::Reconciler];

/// Numbers are for ever; a new server takes the next.
fn number(server: &Server) -> u8 {
    match server {
        Server::Docker => 0,
        Server::Cni => 1,
        Server::Library => 2,
        Server::Operator => 3,
        Server::Reconciler => 4,
    }
}
