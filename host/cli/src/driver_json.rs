//! A driver's own table: TOML as the operator writes it, JSON as the driver gets
//! it. What JSON does not have is its text or is refused, by the name of its key
//! and never by its value, which may be a secret.

use serde_json::{Map, Number, Value};

/// A driver's table as the driver gets it. A date, which JSON does not have, is
/// its text.
pub(crate) fn json(table: toml::Table) -> Result<Map<String, Value>, String> {
    let value = |(key, value)| {
        let value = json_value(&format!("config.{key}"), value)?;
        Ok((key, value))
    };
    table.into_iter().map(value).collect()
}

fn json_value(path: &str, value: toml::Value) -> Result<Value, String> {
    Ok(match value {
        toml::Value::String(text) => text.into(),
        toml::Value::Integer(number) => number.into(),
        toml::Value::Boolean(is) => is.into(),
        toml::Value::Datetime(moment) => moment.to_string().into(),
        toml::Value::Float(number) => {
            Number::from_f64(number).ok_or_else(|| format!("{path} is not a finite number"))?.into()
        }
        toml::Value::Array(values) => {
            let value = |(index, value)| json_value(&format!("{path}[{index}]"), value);
            values.into_iter().enumerate().map(value).collect::<Result<Vec<_>, _>>()?.into()
        }
        toml::Value::Table(table) => {
            let value = |(key, value)| {
                let value = json_value(&format!("{path}.{key}"), value)?;
                Ok((key, value))
            };
            let table: Result<_, String> = table.into_iter().map(value).collect();
            Value::Object(table?)
        }
    })
}

#[cfg(test)]
mod tests {
    use super::json;
    use serde_json::{Value, json};

    fn read(text: &str) -> Result<Value, String> {
        json(toml::from_str(text).unwrap()).map(Value::Object)
    }

    #[test]
    fn a_driver_gets_what_was_written() {
        let table = read(
            r#"
            since = 2026-01-01T00:00:00Z
            days = [2026-01-01, 07:32:00, 2026-01-01T07:32:00.5]
            share = 0.5
            most = 9007199254740993
            least = -9223372036854775808
            is-new = true
            [[pools]]
            base = "10.1.0.0/16"
            size = 24
            "#,
        );
        let want = json!({
            "since": "2026-01-01T00:00:00Z",
            "days": ["2026-01-01", "07:32:00", "2026-01-01T07:32:00.5"],
            "share": 0.5,
            "most": 9_007_199_254_740_993_u64,
            "least": i64::MIN,
            "is-new": true,
            "pools": [{ "base": "10.1.0.0/16", "size": 24 }],
        });
        assert_eq!(table, Ok(want));
    }

    #[test]
    fn what_is_no_number_is_refused_by_its_key() {
        for (text, key) in [
            ("a = nan", "config.a is not a finite number"),
            ("a = { b = -inf }", "config.a.b is not a finite number"),
            ("a = [1.5, { b = +inf }]", "config.a[1].b is not a finite number"),
            ("[[a]]\nb = 1\n[[a]]\nb = nan", "config.a[1].b is not a finite number"),
        ] {
            let refused = read(text).unwrap_err();
            assert!(refused.contains(key), "{text}: {refused}");
        }
    }
}
