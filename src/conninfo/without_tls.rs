//! The settings that a build without the feature `tls` knows but can't honour: they ask for security, so they may
//! not be dropped, and are refused.

use super::config::Config;
use super::error::Error;
use super::parameters::{Parameters, Source};
use super::values::{SslCertMode, SslMode, SslNegotiation};
use crate::auth::policy::ChannelBinding;

/// Refuses a configuration in which the user gave one of these and it asks for something.
pub(super) fn refuse(config: &Config, parameters: &Parameters) -> Result<(), Error> {
    for (keyword, asks) in WITHOUT_TLS {
        match (parameters.get(keyword), parameters.source(keyword)) {
            (_, None | Some(Source::Default)) => {}
            (value, _) if asks(config) => {
                return Err(Error::Unbuilt(keyword, value.unwrap_or_default().to_owned()));
            }
            _ => {}
        }
    }
    Ok(())
}

/// A parameter, and in which configurations it asks for what is not there.
type Unbuilt = (&'static str, fn(&Config) -> bool);

const WITHOUT_TLS: &[Unbuilt] = &[
    ("sslmode", |config| config.uses_tcp() && config.sslmode >= SslMode::Require),
    ("sslnegotiation", |config| may_use_tls(config) && config.sslnegotiation == SslNegotiation::Direct),
    ("sslcertmode", |config| config.sslcertmode == SslCertMode::Require),
    ("sslrootcert", may_use_tls),
    ("sslcert", may_use_tls),
    ("sslkey", may_use_tls),
    ("sslcrl", may_use_tls),
    ("ssl_min_protocol_version", may_use_tls),
    ("ssl_max_protocol_version", may_use_tls),
    ("channel_binding", |config| config.channel_binding == ChannelBinding::Require),
];

fn may_use_tls(config: &Config) -> bool {
    config.uses_tcp() && config.sslmode != SslMode::Disable
}

#[cfg(test)]
mod tests {
    use super::super::testing::config;

    fn assert_refused(text: &str) {
        let (keyword, value) = text.split_once('=').unwrap();
        let error = config(&format!("host=h {text}")).unwrap_err().to_string();
        assert_eq!(error, format!("{keyword} \"{value}\" is not supported by this version of heimdall"));
    }

    #[test]
    fn without_tls_what_asks_for_it_is_refused_by_name() {
        for text in [
            "sslmode=require",
            "sslmode=verify-ca",
            "sslmode=verify-full",
            "sslrootcert=system",
            "sslrootcert=/x",
            "sslcert=/x",
            "sslkey=/x",
            "sslcrl=/x",
            "sslcertmode=require",
            "ssl_min_protocol_version=TLSv1.3",
            "ssl_max_protocol_version=TLSv1.2",
            "channel_binding=require",
        ] {
            assert_refused(text);
        }
    }

    #[test]
    fn what_is_the_default_or_has_no_effect_is_accepted() {
        for text in [
            "host=h",
            "host=a,b",
            "host=h sslmode=prefer",
            "host=h sslmode=disable sslrootcert=/x sslcert=/x channel_binding=prefer",
            "host=/run sslrootcert=/x",
            "host=h target_session_attrs=primary load_balance_hosts=random",
            "host=h min_protocol_version=3.2",
        ] {
            config(text).unwrap();
        }
    }
}
