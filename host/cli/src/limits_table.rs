//! `[driver.limits]` of the configuration: limits in groups, times and sizes
//! with their units. The plain numbers under the first, flat keys, such as
//! `call-ms` and `memory-bytes`, are accepted beside them.

use crate::quantity::{Count, Quantity, Size, Time};
use ipam_runtime::Limits;
use serde::Deserialize;

/// The most that a count may be set to.
type Many = Count<{ 1 << 24 }>;
/// The most names that a driver may register, as the service has it.
type Names = Count<1024>;

/// Reads each limit that the operator has set; the others keep their default.
/// `group: Table { key: Kind = field, old_key; }`
macro_rules! limits {
    ($($group:ident: $table:ident { $($key:ident: $kind:ty = $field:ident, $old:ident;)* })*) => {
        #[derive(Debug, Default, Deserialize)]
        #[serde(rename_all = "kebab-case", deny_unknown_fields)]
        pub(crate) struct LimitsTable {
            $(#[serde(default)] $group: $table,)*
            $($($old: Option<u64>,)*)*
        }

        $(
            #[derive(Debug, Default, Deserialize)]
            #[serde(
                rename_all = "kebab-case",
                deny_unknown_fields,
                expecting = "a group of limits, such as call.time = \"2s\""
            )]
            struct $table {
                $($key: Option<$kind>,)*
            }
        )*

        impl LimitsTable {
            /// # Errors
            /// The limit that is set twice, or to what no limit can be.
            pub(crate) fn limits(&self) -> Result<Limits, String> {
                let mut limits = Limits::default();
                $($({
                    let key = concat!(stringify!($group), ".", stringify!($key));
                    let set = one(key, self.$group.$key, stringify!($old), self.$old)?;
                    if let Some(set) = set {
                        limits.$group.$field = set.value.get().ok_or_else(|| set.refused())?;
                    }
                })*)*
                Ok(limits)
            }
        }

        /// Each limit: its key, and the key that it had before.
        #[cfg(test)]
        const KEYS: &[(&str, &str)] = &[$($(
            (concat!(stringify!($group), ".", stringify!($key)), stringify!($old)),
        )*)*];
    };
}

limits! {
    compile: CompileTable {
        component: Size = component_bytes, component_bytes;
        time: Time = time, compile_ms;
        memory: Size = memory_bytes, compile_memory_bytes;
        code: Size = code_bytes, compiled_bytes;
        modules: Many = modules, modules;
        functions: Many = functions, functions;
        types: Many = types, types;
        type_size: Size = type_bytes, type_bytes;
        imports: Many = imports, imports;
        exports: Many = exports, exports;
        segments: Many = segments, segments;
        symbol: Size = symbol_bytes, symbol_bytes;
        symbol_total: Size = symbol_total_bytes, symbol_total_bytes;
    }
    instance: InstanceTable {
        start: Time = start_time, start_ms;
        replay: Time = replay_time, replay_ms;
        memory: Size = memory_bytes, memory_bytes;
        table_elements: Many = table_elements, table_elements;
        instances_max: Many = instances_max, parts;
        globals: Many = globals, globals;
        names: Names = names, names;
        handles: Many = handles, handles;
    }
    call: CallTable {
        time: Time = time, call_ms;
        hostcall_fuel: Size = hostcall_fuel, copied_bytes;
    }
    answer: AnswerTable {
        name: Size = name_bytes, name_bytes;
        address_space: Size = address_space_bytes, address_space_bytes;
        data_entries: Many = data_entries, data_entries;
        data: Size = data_bytes, data_bytes;
        error: Size = error_bytes, error_bytes;
        report: Size = report_bytes, report_bytes;
        log_lines: Many = log_lines, log_lines;
        log_line: Size = log_line_bytes, log_line_bytes;
    }
    http: HttpTable {
        requests: Many = requests, http_requests;
        connections: Many = connections, http_connections;
        body: Size = body_bytes, http_body_bytes;
        head: Size = head_bytes, http_head_bytes;
        handles: Many = handles, http_handles;
    }
    plugins: PluginsTable {
        time: Time = time, plugin_ms;
        calls: Many = calls, plugin_calls;
        body: Size = body_bytes, plugin_body_bytes;
    }
}

impl LimitsTable {
    /// Whether the operator has said how many names the driver may register.
    pub(crate) fn has_names(&self) -> bool {
        self.names.is_some() || self.instance.names.is_some()
    }
}

/// A limit as it was set.
struct Set<Q> {
    key: String,
    /// Under the old key: a number without a unit.
    is_plain: bool,
    value: Q,
}

impl<Q: Quantity> Set<Q> {
    /// What is larger than the most is a mistake, or meant as "unlimited", which
    /// there is not.
    fn refused(&self) -> String {
        let range = if self.is_plain { format!("1 to {}", Q::MOST) } else { Q::range() };
        format!("{} must be from {range}", self.key)
    }
}

/// A limit that may be set by one of two keys.
fn one<Q: Quantity>(
    key: &str,
    value: Option<Q>,
    old_key: &str,
    old: Option<u64>,
) -> Result<Option<Set<Q>>, String> {
    let [key, old_key] = [key, old_key].map(|key| format!("limits.{}", key.replace('_', "-")));
    match (value, old) {
        (Some(_), Some(_)) => {
            Err(format!("{key} and {old_key} are the same limit: remove {old_key}"))
        }
        (Some(value), None) => Ok(Some(Set { key, is_plain: false, value })),
        (None, Some(number)) => {
            Ok(Some(Set { key: old_key, is_plain: true, value: Q::from(number) }))
        }
        (None, None) => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::{KEYS, LimitsTable};
    use ipam_runtime::Limits;
    use std::collections::BTreeSet;

    fn limits(text: &str) -> Result<Limits, String> {
        let table: LimitsTable =
            toml::from_str(text).map_err(|error| error.message().to_owned())?;
        table.limits()
    }

    fn dashed(key: &str) -> String {
        key.replace('_', "-")
    }

    #[test]
    fn both_keys_set_the_same_limit_and_not_at_once() {
        for (key, old) in KEYS.iter().map(|(key, old)| (dashed(key), dashed(old))) {
            let old_text = format!("{old} = 7");
            let by_old = limits(&old_text).unwrap();
            assert_ne!(by_old, Limits::default(), "{old}");
            let values = ["7", "'7B'", "'7ms'"];
            let texts = values.map(|value| format!("{key} = {value}"));
            let read: Vec<&String> = texts.iter().filter(|text| limits(text).is_ok()).collect();
            let [text] = read[..] else { panic!("{key} is one of {read:?}") };
            assert_eq!(limits(text).unwrap(), by_old, "{text}");
            let refused = limits(&format!("{old_text}\n{text}")).unwrap_err();
            let want =
                format!("limits.{key} and limits.{old} are the same limit: remove limits.{old}");
            assert_eq!(refused, want);
        }
    }

    #[test]
    fn operating_md_has_each_limit_with_its_default_and_its_old_key() {
        let (_, table) = include_str!("../OPERATING.md").split_once("| key of `[dri").unwrap();
        let (table, _) = table.split_once("\n\n").unwrap();
        let mut text = String::new();
        let mut keys = BTreeSet::new();
        for row in table.lines().skip(2) {
            let cells: Vec<&str> =
                row.split('|').map(|cell| cell.trim().trim_matches('`')).collect();
            let [_, key, default, old, ..] = cells[..] else { panic!("{row}") };
            let is_number = default.bytes().all(|it| it.is_ascii_digit());
            text += &if is_number {
                format!("{key} = {default}\n")
            } else {
                format!("{key} = '{default}'\n")
            };
            assert!(keys.insert((key.to_owned(), old.to_owned())), "{key} is there twice");
        }
        let known = KEYS.iter().map(|(key, old)| (dashed(key), dashed(old))).collect();
        assert_eq!(keys, known);
        assert_eq!(limits(&text).unwrap(), Limits::default());
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
        for (text, words) in [
            ("call.time = '0s'", "limits.call.time must be from 1ms to 24h"),
            ("call.time = '25h'", "limits.call.time must be from 1ms to 24h"),
            ("call.time = 2", "a time has a unit"),
            ("call.time = '2'", "a time has a unit"),
            ("call.time = '1.5s'", "a time has a unit"),
            ("call.time = '2MiB'", "a time has a unit"),
            ("instance.memory = '65GiB'", "limits.instance.memory must be from 1B to 64GiB"),
            ("instance.memory = '16MB'", "a size has a unit"),
            ("instance.memory = '99999999999999GiB'", "a size has a unit"),
            ("instance.names = 1025", "limits.instance.names must be from 1 to 1024"),
            ("instance.handles = '7'", "invalid type"),
            ("memory-bytes = 0", "limits.memory-bytes must be from 1 to 68719476736"),
            ("call-ms = 86400001", "limits.call-ms must be from 1 to 86400000"),
            ("log-lines = 99999999", "limits.log-lines must be"),
            ("memory = 1", "unknown field"),
            ("call.memory = '1MiB'", "unknown field"),
            ("call = '2s'", "expected a group of limits, such as call.time"),
        ] {
            let refused = limits(text).unwrap_err();
            assert!(refused.contains(words), "{text}: {refused}");
        }
    }
}
