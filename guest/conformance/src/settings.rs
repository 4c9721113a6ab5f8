//! The suite's command line.

use std::fmt;

/// How a driver is tested.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The operator's table for the driver: one JSON object.
    pub config: String,
    /// Which of its names is tested.
    pub name: Option<String>,
    /// The seed of the random numbers.
    pub seed: u64,
    /// How many random operations there are.
    pub operations: u32,
    /// Refusals have no names, as in Docker's protocol.
    pub nameless: bool,
    /// Address requests of endpoints carry a MAC address each.
    pub mac_addresses: bool,
    /// Released addresses rest before they are leased again.
    pub resting: bool,
    /// How many promises were checked before.
    pub skip: usize,
    /// Print JSON, one object for each promise.
    pub json: bool,
    /// Print the promises and ask nothing.
    pub list: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            config: "{}".to_owned(),
            name: None,
            seed: 1,
            operations: 100_000,
            nameless: false,
            mac_addresses: false,
            resting: false,
            skip: 0,
            json: false,
            list: false,
        }
    }
}

/// A command line that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidArguments(String);

impl fmt::Display for InvalidArguments {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\n{USAGE}", self.0)
    }
}

impl std::error::Error for InvalidArguments {}

const USAGE: &str = "\
usage: conformance [--json | --list] [--config JSON] [--name NAME] [--seed NUMBER]
                   [--operations NUMBER] [--mac-addresses] [--resting] [--nameless] [--skip NUMBER]";

impl Settings {
    /// Reads a command line, without the name of the program.
    ///
    /// # Errors
    /// What is wrong with it, and the usage.
    pub fn parse(arguments: impl IntoIterator<Item = String>) -> Result<Self, InvalidArguments> {
        let mut settings = Self::default();
        let mut arguments = arguments.into_iter();
        while let Some(argument) = arguments.next() {
            let mut value = || {
                let missing = || InvalidArguments(format!("{argument} needs a value"));
                arguments.next().ok_or_else(missing)
            };
            match &*argument {
                "--json" => settings.json = true,
                "--list" => settings.list = true,
                "--nameless" => settings.nameless = true,
                "--mac-addresses" => settings.mac_addresses = true,
                "--resting" => settings.resting = true,
                "--config" => settings.config = value()?,
                "--name" => settings.name = Some(value()?),
                "--seed" => settings.seed = number(&argument, &value()?)?,
                "--operations" => settings.operations = number(&argument, &value()?)?,
                "--skip" => settings.skip = number(&argument, &value()?)?,
                other => return Err(InvalidArguments(format!("no argument {other:?}"))),
            }
        }
        Ok(settings)
    }
}

fn number<T: std::str::FromStr>(of: &str, text: &str) -> Result<T, InvalidArguments> {
    text.parse().map_err(|_| InvalidArguments(format!("{of}: {text:?} is not a number")))
}

#[cfg(test)]
mod tests {
    use super::Settings;

    fn parse(line: &str) -> Result<Settings, String> {
        let words = line.split_whitespace().map(str::to_owned);
        Settings::parse(words).map_err(|error| error.to_string())
    }

    #[test]
    fn what_is_not_said_is_as_usual() {
        assert_eq!(parse(""), Ok(Settings::default()));
        let settings = parse("--json --seed 7 --operations 10 --name lab --skip 3").unwrap();
        assert_eq!((settings.seed, settings.operations, settings.skip), (7, 10, 3));
        assert!(settings.json && settings.name.as_deref() == Some("lab"));
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
        for (line, words) in [
            ("--seed", "--seed needs a value"),
            ("--seed x", "is not a number"),
            ("--frobnicate", "no argument"),
        ] {
            let refused = parse(line).unwrap_err();
            assert!(refused.contains(words) && refused.contains("usage:"), "{refused}");
        }
    }
}
