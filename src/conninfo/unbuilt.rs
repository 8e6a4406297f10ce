//! The settings that this version knows but can't honour yet. Those that ask for security may not be
//! dropped, so they are refused. This file is to shrink, and to go.

use super::choices::{
    LoadBalanceHosts, ProtocolVersion, SslCertMode, SslMode, SslNegotiation, TargetSessionAttrs,
};
use super::config::Config;
use super::error::Error;
use super::parameters::{Parameters, Source};
use crate::auth::policy::ChannelBinding;

/// Refuses a configuration in which the user gave one of these and it asks for something.
pub(super) fn refuse(config: &Config, parameters: &Parameters) -> Result<(), Error> {
    for (keyword, asks) in UNBUILT {
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

/// A parameter, and in which configurations it asks for what is not there yet.
type Unbuilt = (&'static str, fn(&Config) -> bool);

const UNBUILT: &[Unbuilt] = &[
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
    ("requirepeer", |config| config.requirepeer.is_some()),
    ("min_protocol_version", |config| config.min_protocol_version > ProtocolVersion::V3_0),
    ("load_balance_hosts", |config| config.load_balance_hosts == LoadBalanceHosts::Random),
    ("target_session_attrs", |config| config.target_session_attrs != TargetSessionAttrs::Any),
];

fn may_use_tls(config: &Config) -> bool {
    config.uses_tcp() && config.sslmode != SslMode::Disable
}

#[cfg(test)]
mod tests {
    use super::super::testing::config;

    #[test]
    fn what_is_not_built_is_refused_by_name() {
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
            "requirepeer=postgres",
            "min_protocol_version=3.2",
            "load_balance_hosts=random",
            "target_session_attrs=primary",
        ] {
            let (keyword, value) = text.split_once('=').unwrap();
            let error = config(&format!("host=h {text}")).unwrap_err().to_string();
            assert_eq!(
                error,
                format!("{keyword} \"{value}\" is not supported yet by this version of heimdall")
            );
        }
        let direct = config("host=h sslmode=require sslnegotiation=direct").unwrap_err().to_string();
        assert!(direct.contains("sslmode \"require\" is not supported yet"), "{direct}");
    }

    #[test]
    fn what_would_have_no_effect_is_accepted() {
        for text in [
            "host=h sslmode=allow",
            "host=h sslmode=disable sslrootcert=/x sslcert=/x sslkey=/x ssl_min_protocol_version=TLSv1.3",
            "host=/run sslmode=verify-full sslrootcert=/x",
            "host=h ssl_min_protocol_version=''",
            "host=h target_session_attrs=any channel_binding=prefer",
        ] {
            config(text).unwrap();
        }
    }
}
