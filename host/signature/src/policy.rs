//! Who must have signed, and who has.

use crate::{
    evidence::{Evidence, Finding, Subject},
    key::PublicKey,
};
use ipam_api::text::{bounded, joined};
use std::fmt;

/// The keys of a policy: each may be tried on each signature.
pub const KEYS_MAX: usize = 16;
/// How many findings a refusal lists.
const LISTED: usize = 8;
/// How long an owner's name may be, in bytes.
const OWNER_BYTES: usize = 64;

/// A key, and whose it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signer {
    /// What signatures are checked with.
    pub key: PublicKey,
    /// What the operator calls its owner. Only for people.
    pub owner: Option<String>,
}

impl fmt::Display for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.owner {
            Some(owner) => write!(f, "{} ({})", bounded(OWNER_BYTES, owner), self.key),
            None => write!(f, "key {}", self.key),
        }
    }
}

/// Some of several keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AnyOf {
    /// How many of them must have signed.
    pub at_least: usize,
    /// Which ones count.
    pub signers: Vec<Signer>,
}

/// Who must have signed: every key of `all-of`, and so many of `any-of`, as in
/// Kubewarden.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// Those of [`Policy::new`], one after the other.
    signers: Vec<Signer>,
    /// How many of `signers`, from the front, are those of `all-of`.
    all_of: usize,
    /// How many of the others must.
    at_least: usize,
}

/// A policy that asks for nothing, or for what cannot be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidPolicy {
    /// Everything would pass.
    #[error("it names no key: write all-of or any-of")]
    Empty,
    /// Nothing would pass, or nothing is asked.
    #[error("any-of wants at least {at_least} of {keys} keys: write a number from 1 to {keys}")]
    AtLeast {
        /// How many are wanted.
        at_least: usize,
        /// How many there are.
        keys: usize,
    },
    /// One signature would count twice.
    #[error("{0} is named twice")]
    Twice(Signer),
    /// Too many to try.
    #[error("it names more than {KEYS_MAX} keys")]
    TooMany,
}

/// Who signed it, of those that the policy names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// Each signer once.
    pub by: Vec<Signer>,
}

impl fmt::Display for Verified {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        joined(&self.by, ", ").fmt(f)
    }
}

/// Which signatures are missing, and what is there instead.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("it is not signed as the policy wants: it needs {wanted}; found {found}")]
pub struct Refusal {
    wanted: String,
    found: String,
}

impl Policy {
    /// A policy that can be met.
    ///
    /// # Errors
    /// [`InvalidPolicy`].
    pub fn new(all_of: Vec<Signer>, any_of: Option<AnyOf>) -> Result<Self, InvalidPolicy> {
        let AnyOf { at_least, signers: others } = match any_of {
            Some(any_of) if (1..=any_of.signers.len()).contains(&any_of.at_least) => any_of,
            Some(AnyOf { at_least, signers }) => {
                return Err(InvalidPolicy::AtLeast { at_least, keys: signers.len() });
            }
            None => AnyOf { at_least: 0, signers: Vec::new() },
        };
        let first = all_of.len();
        let signers = [all_of, others].concat();
        if signers.is_empty() {
            return Err(InvalidPolicy::Empty);
        }
        if signers.len() > KEYS_MAX {
            return Err(InvalidPolicy::TooMany);
        }
        for (at, signer) in signers.iter().enumerate() {
            if signers[..at].iter().any(|one| one.key == signer.key) {
                return Err(InvalidPolicy::Twice(signer.clone()));
            }
        }
        Ok(Self { signers, all_of: first, at_least })
    }

    /// Whether the subject is signed by those who must have signed it.
    ///
    /// What else was found does no harm, or whoever may write to a repository
    /// could make what others signed unusable.
    ///
    /// # Errors
    /// [`Refusal`] says who is missing and what was found.
    pub fn check(&self, subject: Subject<'_>, all: &[Evidence]) -> Result<Verified, Refusal> {
        let keys: Vec<&PublicKey> = self.signers.iter().map(|signer| &signer.key).collect();
        let found: Vec<Finding> = all.iter().map(|one| one.found(subject, &keys)).collect();
        let has_signed = |at: usize| found.contains(&Finding::Signed(at));
        let missing: Vec<&Signer> =
            (0..self.all_of).filter(|at| !has_signed(*at)).map(|at| &self.signers[at]).collect();
        let others = (self.all_of..self.signers.len()).filter(|at| has_signed(*at)).count();
        if missing.is_empty() && others >= self.at_least {
            let by = self.signers.iter().enumerate().filter(|(at, _)| has_signed(*at));
            return Ok(Verified { by: by.map(|(_, signer)| signer.clone()).collect() });
        }
        let mut wanted = Vec::new();
        if !missing.is_empty() {
            wanted.push(format!("a signature by {}", joined(&missing, " and ")));
        }
        if others < self.at_least {
            let rest = &self.signers[self.all_of..];
            let from = joined(rest, ", ");
            wanted.push(match (self.at_least, rest.len()) {
                (1, 1) => format!("a signature by {from}"),
                (count, _) => format!("{count} of the signatures by {from}"),
            });
        }
        Err(Refusal { wanted: joined(&wanted, ", and ").to_string(), found: self.listed(&found) })
    }

    fn listed(&self, found: &[Finding]) -> String {
        if found.is_empty() {
            return "no signature".to_owned();
        }
        let mut lines: Vec<String> = Vec::new();
        for one in found {
            let line = match one {
                Finding::Signed(at) => format!("a signature by {}", self.signers[*at]),
                Finding::Other(at, why) => format!("by {}: {why}", self.signers[*at]),
                Finding::Unknown(_) | Finding::NotPlain | Finding::Unreadable(_) => one.to_string(),
            };
            if !lines.contains(&line) {
                lines.push(line);
            }
        }
        let more = lines.len().saturating_sub(LISTED);
        lines.truncate(LISTED);
        if more > 0 {
            lines.push(format!("{more} more"));
        }
        joined(&lines, "; ").to_string()
    }
}
