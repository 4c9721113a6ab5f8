//! The names of functions in a component's name sections, bounded before
//! anything is compiled.
//!
//! When a call traps, the engine copies the name of each function of the
//! backtrace, whole, before anybody can say how much of it is wanted: one of
//! 50 MB in a recursion costs twenty times that.

use crate::LoadError;
use wasmparser::{KnownCustom, Name, Parser, Payload};

/// The longest name of a function, in bytes.
const NAME_MAX_BYTES: usize = 64 << 10;

/// Refuses a component with a function whose name is longer than the engine
/// should copy.
pub(crate) fn check(bytes: &[u8]) -> Result<(), LoadError> {
    for payload in Parser::new(0).parse_all(bytes) {
        // What cannot be read is refused elsewhere, and with better words.
        let Ok(payload) = payload else { return Ok(()) };
        let Payload::CustomSection(section) = payload else { continue };
        let KnownCustom::Name(names) = section.as_known() else { continue };
        // The engine, too, takes as much of this section as can be read.
        for names in names.into_iter().map_while(Result::ok) {
            let Name::Function(functions) = names else { continue };
            for function in functions.into_iter().map_while(Result::ok) {
                let bytes = function.name.len();
                if bytes > NAME_MAX_BYTES {
                    return Err(LoadError::Invalid(format!(
                        "the name of its function {} has {bytes} bytes, more than {NAME_MAX_BYTES}",
                        function.index
                    )));
                }
            }
        }
    }
    Ok(())
}
