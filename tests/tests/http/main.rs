//! Does a driver that was granted a URL stay there? A real component asks real
//! servers, which write down what they were asked.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a test may")]

mod bounds;
mod escapes;
mod lab;
mod server;
mod tls;
