//! What drivers share that ask a system of record by HTTP: NetBox, phpIPAM.
//!
//! In: a [`Server`], and what to ask of it. Out: its answers, as far as they are what its
//! documentation says, or a refusal in the contract's words. Nothing here knows which
//! system it is: paths, fields and where pools are from are the driver's.
//!
//! Two layers, each of use without the other:
//!
//! - [`Client`] asks over [`Http`] and knows what fails and what may be asked again. A
//!   component asks through [`Host`], which has the operator's HTTP grant behind it, and a
//!   test runs the driver against a [`Script`], a transcript of what must be asked and what
//!   is answered.
//! - [`Policy`] is the driver itself over a [`SystemOfRecord`], the few calls that a system
//!   has: what may be left over is offered first, then what is next, or what was asked for by
//!   name; what is ours is taken over and deleted, and what others use stays; what there is of
//!   ours is listed. [`driver!`] makes a component of it.
//!
//! # Example
//!
//! ```
//! use ipam_driver::Kind;
//! use ipam_http_driver::{Client, Script, Secret, Server, Url, turn};
//!
//! let server = Server {
//!     name: "Lab",
//!     words: "message",
//!     url: Url::parse("https://lab.example/api").expect("a URL"),
//!     headers: vec![("token", Secret::new("0123abcd"))],
//! };
//! let script = Script::new([
//!     turn("GET /subnets/7/", 200, r#"{"id": 7}"#),
//!     turn("DELETE /subnets/7/", 403, r#"{"message": "no such right"}"#),
//! ]);
//! let mut client = Client::new(server, script);
//! let found = client.get("/subnets/7/")?;
//! assert_eq!(client.json(&found, 200)?["id"], 7);
//! let refused = client.delete("/subnets/7/", None)?;
//! let refusal = client.json(&refused, 204).unwrap_err();
//! assert_eq!(refusal.text(), "Lab answers 403: no such right");
//! # Ok::<(), ipam_driver::Error>(())
//! ```

mod addresses;
mod client;
mod driver;
mod http;
mod identity;
mod left_over;
mod object;
mod pages;
mod policy;
mod pool_name;
mod records;
mod releases;
#[cfg(not(target_family = "wasm"))]
mod script;
mod server;
mod system;
mod table;
#[cfg(target_family = "wasm")]
mod wasi;

pub use client::{Client, escaped, number, text, unescaped};
pub use driver::{Configured, Recorded};
pub use http::{Host, Http, Method, Request, Response};
pub use identity::Identity;
pub use left_over::LEFT_OVER_MAX;
pub(crate) use left_over::LeftOver;
pub use object::{Note, Object, Of, fits, is_end};
pub use pages::{PAGES_MAX, Page};
pub use policy::Policy;
pub use pool_name::PoolName;
#[cfg(not(target_family = "wasm"))]
pub use script::{Script, Turn, turn};
pub use server::{Secret, Server, Url};
pub use system::{Search, SystemOfRecord};
pub use table::{Base, read_table, refusal};

#[cfg(test)]
mod tests;
