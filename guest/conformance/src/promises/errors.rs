//! Refusals by name. That something is refused at all is a promise of its own,
//! elsewhere; Docker's protocol carries no names.

use super::{addresses, pools, small, spaces};
use crate::{
    case::{Case, Check, fail, not_applicable},
    model::Refusal,
};

fn named(case: &mut Case<'_>, of: fn(&mut Case<'_>) -> Check<Refusal>, names: &[&str]) -> Check {
    if case.settings.nameless {
        not_applicable!("refusals have no names here");
    }
    let refusal = of(case)?;
    if !names.contains(&refusal.name) {
        fail!("it is refused as {}, not as {}", refusal.name, names.join(" or "));
    }
    Ok(())
}

pub(super) fn invalid_address_space(case: &mut Case<'_>) -> Check {
    named(case, spaces::of_unknown, &["invalid-address-space"])
}

pub(super) fn pool_overlap(case: &mut Case<'_>) -> Check {
    named(case, pools::of_taken, &["pool-overlap"])
}

pub(super) fn invalid_sub_pool(case: &mut Case<'_>) -> Check {
    named(case, pools::of_sub_pool_outside, &["invalid-sub-pool"])
}

pub(super) fn no_more_subnets(case: &mut Case<'_>) -> Check {
    let all = |case: &mut Case<'_>| pools::all(case).map(|(_, refusal)| refusal);
    named(case, all, &["no-more-subnets", "no-available-pool"])
}

pub(super) fn ip_already_allocated(case: &mut Case<'_>) -> Check {
    named(case, addresses::of_in_use, &["ip-already-allocated"])
}

pub(super) fn ip_out_of_range(case: &mut Case<'_>) -> Check {
    named(case, addresses::of_out_of_range, &["ip-out-of-range"])
}

pub(super) fn no_available_ips(case: &mut Case<'_>) -> Check {
    let full = |case: &mut Case<'_>| {
        let pool = small::of_eight(case)?;
        small::fill(case, &pool).map(|(_, refusal)| refusal)
    };
    named(case, full, &["no-available-ips"])
}

pub(super) fn pool_not_found(case: &mut Case<'_>) -> Check {
    named(case, addresses::of_unknown_pool, &["pool-not-found", "bad-pool", "other(not-found)"])
}
