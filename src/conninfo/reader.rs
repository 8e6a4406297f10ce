//! Reads single parameters as the types that they stand for.

use std::path::PathBuf;
use std::time::Duration;

use super::config::{RootCertificates, TlsFile};
use super::error::Error;
use super::number;
use super::parameters::{Parameters, Source};
use super::table::TABLE;
use super::values::{Choice, ProtocolVersion, SslMode, SslNegotiation, TargetSessionAttrs, TlsVersion};
use crate::auth::policy::RequireAuth;

/// Reads the values of these parameters.
pub(super) struct Reader<'a>(pub(super) &'a Parameters);

impl Reader<'_> {
    /// Refuses the parameters that ask for what heimdall does not have.
    pub(super) fn refuse_unsupported(&self) -> Result<(), Error> {
        for parameter in TABLE {
            let Some(why) = parameter.unsupported else { continue };
            match (parameter.keyword, self.0.get(parameter.keyword)) {
                (_, None) | ("replication", Some("off" | "false" | "no" | "0")) => {}
                (keyword, Some(_)) => return Err(Error::Unsupported(keyword, why)),
            }
        }
        match self.0.get("gssencmode") {
            Some("disable" | "prefer") | None => {}
            Some("require") => {
                return Err(Error::Unsupported("gssencmode", "GSSAPI encryption is not supported"));
            }
            Some(other) => return Err(Error::Value("gssencmode", other.to_owned())),
        }
        if self.0.get("sslkey").is_some_and(|key| key.starts_with("engine:")) {
            return Err(Error::Unsupported("sslkey", "keys in OpenSSL engines are not supported"));
        }
        Ok(())
    }

    /// A value as it is; `None` if it is empty.
    pub(super) fn string(&self, keyword: &str) -> Option<String> {
        self.0.get(keyword).filter(|value| !value.is_empty()).map(str::to_owned)
    }

    /// One of a few words.
    pub(super) fn choice<T: Choice>(&self, keyword: &'static str) -> Result<T, Error> {
        let word = self.0.get(keyword).unwrap_or_default();
        T::from_word(word).ok_or_else(|| Error::Value(keyword, word.to_owned()))
    }

    /// A number, if there is one.
    pub(super) fn integer(&self, keyword: &'static str) -> Result<Option<i32>, Error> {
        self.0.get(keyword).map(|text| number::integer(keyword, text)).transpose()
    }

    /// A number above 0; anything below is libpq's way to ask for the default.
    pub(super) fn positive(&self, keyword: &'static str) -> Result<Option<u32>, Error> {
        let number = self.integer(keyword)?.and_then(|number| u32::try_from(number).ok());
        Ok(number.filter(|number| *number > 0))
    }

    /// A number above 0 of seconds.
    pub(super) fn seconds(&self, keyword: &'static str) -> Result<Option<Duration>, Error> {
        Ok(self.positive(keyword)?.map(|number| Duration::from_secs(number.into())))
    }

    /// A number above 0 of milliseconds.
    pub(super) fn milliseconds(&self, keyword: &'static str) -> Result<Option<Duration>, Error> {
        Ok(self.positive(keyword)?.map(|number| Duration::from_millis(number.into())))
    }

    /// libpq takes `auto` from the locale; heimdall reads UTF-8 only.
    pub(super) fn client_encoding(&self) -> Option<String> {
        match self.string("client_encoding")?.as_str() {
            "auto" => Some("UTF8".to_owned()),
            other => Some(other.to_owned()),
        }
    }

    pub(super) fn require_auth(&self) -> Result<RequireAuth, Error> {
        let Some(list) = self.string("require_auth") else { return Ok(RequireAuth::default()) };
        list.parse::<RequireAuth>().map_err(|error| Error::RequireAuth(error.to_string()))
    }

    pub(super) fn sslnegotiation(&self, sslmode: SslMode) -> Result<SslNegotiation, Error> {
        let negotiation = self.choice("sslnegotiation")?;
        if negotiation == SslNegotiation::Direct && sslmode < SslMode::Require {
            let strong = "\"require\", \"verify-ca\", or \"verify-full\"";
            return Err(Error::WeakSslMode(sslmode, "sslnegotiation=direct", strong));
        }
        Ok(negotiation)
    }

    pub(super) fn sslrootcert(&self, sslmode: SslMode) -> Result<Option<RootCertificates>, Error> {
        if self.0.get("sslrootcert") != Some("system") {
            return Ok(self.file("sslrootcert").map(RootCertificates::File));
        }
        if sslmode < SslMode::VerifyFull {
            return Err(Error::WeakSslMode(sslmode, "sslrootcert=system", "\"verify-full\""));
        }
        Ok(Some(RootCertificates::System))
    }

    pub(super) fn file(&self, keyword: &str) -> Option<TlsFile> {
        let path = PathBuf::from(self.string(keyword)?);
        Some(TlsFile { path, explicit: self.0.source(keyword) != Some(Source::Default) })
    }

    /// The oldest and the newest version of TLS; what is older than heimdall speaks counts as 1.2.
    pub(super) fn tls_versions(&self) -> Result<(TlsVersion, Option<TlsVersion>), Error> {
        let version = |keyword| {
            let Some(text) = self.string(keyword) else { return Ok(None) };
            let version = TlsVersion::from_word(&text.to_ascii_lowercase());
            version.map(Some).ok_or(Error::Value(keyword, text))
        };
        let min = version("ssl_min_protocol_version")?.unwrap_or(TlsVersion::V1_2);
        let max = version("ssl_max_protocol_version")?;
        match max {
            Some(max) if max < min => Err(Error::TlsRange),
            Some(max) if max < TlsVersion::V1_2 => {
                let why = "TLS before version 1.2 is not supported";
                Err(Error::Unsupported("ssl_max_protocol_version", why))
            }
            _ => Ok((min.max(TlsVersion::V1_2), max)),
        }
    }

    /// The oldest and the newest version of the wire protocol.
    pub(super) fn protocol_versions(&self) -> Result<(ProtocolVersion, ProtocolVersion), Error> {
        let version = |keyword| match self.0.get(keyword) {
            Some("latest") => Ok(ProtocolVersion::LATEST),
            _ => self.choice(keyword),
        };
        let (min, max) = (version("min_protocol_version")?, version("max_protocol_version")?);
        if min > max { Err(Error::ProtocolRange) } else { Ok((min, max)) }
    }

    pub(super) fn target_session_attrs(&self) -> Result<TargetSessionAttrs, Error> {
        match self.choice("target_session_attrs")? {
            TargetSessionAttrs::Standby | TargetSessionAttrs::PreferStandby => {
                Err(Error::Unsupported("target_session_attrs", "a lock on a standby would not exclude"))
            }
            attrs => Ok(attrs),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::config;

    #[test]
    fn what_is_invalid_is_told_with_its_name() {
        for (text, expected) in [
            ("sslmode=yes", "invalid sslmode value: \"yes\""),
            ("sslmode=''", "invalid sslmode value: \"\""),
            ("sslmode=Require", "invalid sslmode value: \"Require\""),
            ("channel_binding=''", "invalid channel_binding value: \"\""),
            ("sslnegotiation=x", "invalid sslnegotiation value: \"x\""),
            ("sslcertmode=x", "invalid sslcertmode value: \"x\""),
            ("gssencmode=''", "invalid gssencmode value: \"\""),
            ("gssencmode=require", "gssencmode: GSSAPI encryption is not supported"),
            ("target_session_attrs=''", "invalid target_session_attrs value: \"\""),
            ("load_balance_hosts=x", "invalid load_balance_hosts value: \"x\""),
            ("connect_timeout=''", "invalid integer value \"\" for connection option \"connect_timeout\""),
            ("keepalives=x", "invalid integer value \"x\" for connection option \"keepalives\""),
            (
                "tcp_user_timeout=1s",
                "invalid integer value \"1s\" for connection option \"tcp_user_timeout\"",
            ),
            ("require_auth=x", "invalid require_auth value: \"x\""),
            ("ssl_min_protocol_version=SSLv3", "invalid ssl_min_protocol_version value: \"SSLv3\""),
            ("ssl_max_protocol_version=tlsv1.1", "invalid SSL protocol version range"),
            (
                "ssl_min_protocol_version=TLSv1 ssl_max_protocol_version=TLSv1.1",
                "ssl_max_protocol_version: TLS before version 1.2 is not supported",
            ),
            ("min_protocol_version=3.1", "invalid min_protocol_version value: \"3.1\""),
            (
                "min_protocol_version=latest max_protocol_version=3.0",
                "\"min_protocol_version\" is greater than \"max_protocol_version\"",
            ),
            (
                "sslrootcert=system sslmode=prefer",
                "weak sslmode \"prefer\" may not be used with sslrootcert=system (use \"verify-full\")",
            ),
            (
                "sslnegotiation=direct sslmode=prefer",
                "weak sslmode \"prefer\" may not be used with sslnegotiation=direct (use \"require\", \"verify-ca\", or \"verify-full\")",
            ),
            ("sslkey=engine:id", "sslkey: keys in OpenSSL engines are not supported"),
            ("sslpassword=x", "sslpassword: encrypted private keys are not supported"),
            ("replication=database", "replication: replication connections are not supported"),
            ("target_session_attrs=standby", "target_session_attrs: a lock on a standby would not exclude"),
        ] {
            assert_eq!(config(text).unwrap_err().to_string(), expected, "{text}");
        }
    }

    #[test]
    fn what_asks_for_nothing_is_accepted() {
        for text in [
            "sslpassword='' oauth_scope='' scram_client_key='' sslkeylogfile='' replication=off",
            "gssencmode=prefer krbsrvname=x gsslib=gssapi gssdelegation=1 sslcompression=1",
            "user='' dbname='' host='' port='' options='' client_encoding='' require_auth='' requirepeer=''",
            "max_protocol_version=latest",
            "sslmode=require host=/run/postgresql",
        ] {
            config(text).unwrap();
        }
    }
}
