//! The ledger, replayed into a new instance.

use super::start_error::StartError;
use crate::serve::instance::Instance;
use ipam_api::{IpNet, PoolId};
use ipam_ledger::{Event, Record, Replay};

/// Replays one entry of the ledger. Id, prefix and address must come back as they
/// were granted; `data` may differ.
pub(crate) fn replay_into(instance: &mut Instance, entry: &Replay) -> Result<(), StartError> {
    match entry {
        Replay::Pool(request, granted, at) => {
            instance.set_time(*at);
            let words = |id: &PoolId, pool: IpNet| format!("pool {pool} with id {id:?}");
            let entry = || words(&granted.pool_id, granted.pool);
            let grant = match instance.request_pool(request) {
                Ok(grant) => grant,
                Err(failure) => return Err(StartError::Refused { entry: entry(), failure }),
            };
            if (&grant.pool_id, grant.pool) != (&granted.pool_id, granted.pool) {
                let answered = words(&grant.pool_id, grant.pool);
                return Err(StartError::Disagrees { entry: entry(), answered });
            }
        }
        Replay::Address(request, leased, at) => {
            instance.set_time(*at);
            let words = |address: Option<IpNet>| match address {
                Some(address) => format!("address {address} of pool {:?}", request.pool_id),
                None => "no address".to_owned(),
            };
            let grant = match instance.request_address(request) {
                Ok(grant) => grant,
                Err(failure) => {
                    return Err(StartError::Refused { entry: words(leased.address), failure });
                }
            };
            if grant.address != leased.address {
                let entry = words(leased.address);
                return Err(StartError::Disagrees { entry, answered: words(grant.address) });
            }
        }
    }
    Ok(())
}

/// Replays one event, as the version that serves was asked or notified.
pub(crate) fn replay_event_into(
    instance: &mut Instance,
    Record { cause, event }: &Record,
) -> Result<(), StartError> {
    instance.set_time(cause.at);
    let refused = |entry: String| move |failure| StartError::Refused { entry, failure };
    match event {
        Event::PoolGranted(pool) => replay_into(instance, &Replay::of_pool(pool)),
        Event::AddressLeased(lease) => replay_into(instance, &Replay::of_lease(lease)),
        Event::PoolReleased(pool) => instance
            .release_pool(&pool.pool_id)
            .map_err(refused(format!("the release of pool {:?}", pool.pool_id))),
        Event::AddressReleased(lease) => instance
            .release_address(&lease.pool_id, lease.ip())
            .map_err(refused(format!("the release of {}", lease.address))),
        // A driver sees no holds, no claims and none of the host's own records.
        Event::PoolHeld { .. }
        | Event::HoldDropped { .. }
        | Event::AddressClaimed { .. }
        | Event::PoolClaimed { .. }
        | Event::LeaseClaimed { .. }
        | Event::Unclaimed { .. }
        | Event::Owed { .. }
        | Event::Told { .. }
        | Event::VersionChanged(_)
        | Event::Stored(_) => Ok(()),
    }
}
