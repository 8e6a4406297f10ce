//! Refuses what heimdall does not do, by the name of the parameter that asks for it. Most of these parameters ask for
//! security, so none is dropped.

use super::config::Config;
use super::error::{Error, Excerpt};
use super::parameters::Parameters;
use super::source::Source;
use super::table::TABLE;
use super::values::{SslCertMode, SslMode, SslNegotiation, TargetSessionAttrs, TlsVersion};
use crate::auth::policy::ChannelBinding;

/// Refuses a configuration that asks for what heimdall, or this build of it, does not do.
pub(super) fn refuse(config: &Config, parameters: &Parameters) -> Result<(), Error> {
    let unsupported = |keyword, why| Err(parameters.mistake(keyword, Error::Unsupported(keyword, why)));
    for parameter in TABLE {
        let Some(why) = parameter.unsupported else { continue };
        match (parameter.keyword, parameters.get(parameter.keyword)) {
            (_, None) | ("replication", Some("off" | "false" | "no" | "0")) => {}
            (keyword, Some(_)) => return unsupported(keyword, why),
        }
    }
    match parameters.get("gssencmode") {
        Some("disable" | "prefer") | None => {}
        Some("require") => return unsupported("gssencmode", "GSSAPI encryption is not supported"),
        Some(other) => {
            let expected = "expected one of disable, prefer".to_owned();
            let error = Error::Value("gssencmode", Excerpt::value(other), expected);
            return Err(parameters.mistake("gssencmode", error));
        }
    }
    if parameters.get("sslkey").is_some_and(|key| key.starts_with("engine:")) {
        return unsupported("sslkey", "keys in OpenSSL engines are not supported");
    }
    if config.ssl_max_protocol_version.is_some_and(|max| max < TlsVersion::V1_2) {
        return unsupported("ssl_max_protocol_version", "TLS before version 1.2 is not supported");
    }
    if matches!(config.target_session_attrs, TargetSessionAttrs::Standby | TargetSessionAttrs::PreferStandby)
    {
        return unsupported("target_session_attrs", "a lock on a standby would not exclude");
    }
    if cfg!(feature = "tls") { Ok(()) } else { refuse_tls(config, parameters) }
}

/// Refuses what asks for TLS, in a build without it.
fn refuse_tls(config: &Config, parameters: &Parameters) -> Result<(), Error> {
    for (keyword, asks) in TLS_PARAMETERS {
        match (parameters.get(keyword), parameters.source(keyword)) {
            (_, None | Some(Source::Default)) => {}
            (value, _) if asks(config) => {
                let error = Error::Unbuilt(keyword, Excerpt::new(value.unwrap_or_default(), false));
                return Err(parameters.mistake(keyword, error));
            }
            _ => {}
        }
    }
    Ok(())
}

/// A parameter, and in which configurations it asks for TLS.
type TlsParameter = (&'static str, fn(&Config) -> bool);

const TLS_PARAMETERS: &[TlsParameter] = &[
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

    #[cfg(not(feature = "tls"))]
    fn assert_refused(text: &str) {
        let (keyword, value) = text.split_once('=').unwrap();
        let error = config(&format!("host=h {text}")).unwrap_err().to_string();
        assert_eq!(
            error,
            format!(
                "{keyword} \"{value}\" is not supported by this version of heimdall, which was built without TLS"
            )
        );
    }

    #[cfg(not(feature = "tls"))]
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
    fn without_tls_what_is_the_default_or_has_no_effect_is_accepted() {
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
