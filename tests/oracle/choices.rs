//! Parameters that are one of a few words.

use super::row::Fate::{Differs, Fails, IsStricter, Reaches};
use super::row::{Fate, Row, row};

const HERE: Fate = Reaches("tcp ann app -");
const NO_SSL: Fate = Fails(76, "server does not support SSL, but SSL was required");

const fn tcp(conninfo: &'static str, fate: Fate) -> Row {
    row(conninfo, fate).with(&[("PGHOST", "127.0.0.1"), ("PGPORT", "{port}")])
}

const fn local(conninfo: &'static str) -> Row {
    row(conninfo, Reaches("a:5432 ann app -"))
}

pub const ROWS: &[Row] = &[
    tcp("", HERE),
    tcp("sslmode=disable", HERE),
    tcp("sslmode=allow", HERE),
    tcp("sslmode=prefer", HERE),
    tcp("sslmode=require", NO_SSL),
    tcp("sslmode=verify-ca", NO_SSL),
    tcp("sslmode=verify-full", NO_SSL),
    tcp("sslmode=sometimes", Fails(78, "invalid sslmode value: \"sometimes\"")),
    tcp("sslmode=Require", Fails(78, "invalid sslmode value: \"Require\"")),
    tcp("sslmode='require '", Fails(78, "invalid sslmode value: \"require \"")),
    tcp("sslmode=''", Fails(78, "invalid sslmode value: \"\"")),
    tcp("sslmode=verify_full", Fails(78, "invalid sslmode value: \"verify_full\"")),
    tcp("sslmode=1", Fails(78, "invalid sslmode value: \"1\"")),
    tcp("requiressl=1", NO_SSL),
    tcp("requiressl=0", HERE),
    tcp("requiressl=yes", HERE),
    tcp("sslmode=disable requiressl=1", NO_SSL),
    tcp("requiressl=1 sslmode=disable", HERE),
    local("sslmode=require"),
    local("sslmode=verify-full"),
    row("sslmode=sometimes", Fails(78, "invalid sslmode value: \"sometimes\"")),
    tcp("sslmode=prefer", HERE).with(&[
        ("PGHOST", "127.0.0.1"),
        ("PGPORT", "{port}"),
        ("PGSSLMODE", "require"),
    ]),
    tcp("target_session_attrs=any", HERE),
    tcp("target_session_attrs=read-write", HERE),
    tcp("target_session_attrs=read-only", HERE),
    tcp("target_session_attrs=primary", HERE),
    tcp("target_session_attrs=standby", IsStricter("tcp ann app -", 78, "standby", NO_STANDBY)),
    tcp("target_session_attrs=prefer-standby", IsStricter("tcp ann app -", 78, "standby", NO_STANDBY)),
    tcp("target_session_attrs=master", Fails(78, "invalid target_session_attrs value: \"master\"")),
    tcp("target_session_attrs=''", Fails(78, "invalid target_session_attrs value: \"\"")),
    tcp("target_session_attrs=read_write", Fails(78, "invalid target_session_attrs value: \"read_write\"")),
    tcp("channel_binding=disable", HERE),
    tcp("channel_binding=prefer", HERE),
    tcp("channel_binding=maybe", Fails(78, "invalid channel_binding value: \"maybe\"")),
    tcp("channel_binding=''", Fails(78, "invalid channel_binding value: \"\"")),
    tcp("gssencmode=disable", HERE),
    tcp("gssencmode=prefer", HERE),
    tcp("gssencmode=sometimes", Fails(78, "invalid gssencmode value: \"sometimes\"")),
    tcp("gssencmode=''", Fails(78, "invalid gssencmode value: \"\"")),
    tcp("gssencmode=require", Fails(78, "GSSAPI")),
    tcp("ssl_min_protocol_version=TLSv1.2 ssl_max_protocol_version=TLSv1.3", HERE),
    tcp("ssl_min_protocol_version=tlsv1.2 ssl_max_protocol_version=TLSV1.3", HERE),
    tcp("ssl_min_protocol_version='' ssl_max_protocol_version=''", HERE),
    tcp("ssl_min_protocol_version=TLSv1", HERE),
    tcp("ssl_min_protocol_version=TLSv1.4", Fails(78, "value: \"TLSv1.4\"")),
    tcp("ssl_max_protocol_version=1.3", Fails(78, "value: \"1.3\"")),
    tcp(
        "ssl_min_protocol_version=TLSv1.3 ssl_max_protocol_version=TLSv1.2",
        Fails(78, "invalid SSL protocol version range"),
    ),
    tcp(
        "ssl_min_protocol_version=TLSv1 ssl_max_protocol_version=TLSv1.1",
        IsStricter("tcp ann app -", 78, "TLS before version 1.2 is not supported", "rustls has none"),
    ),
    tcp("sslcompression=1", HERE),
    tcp("sslcompression=nonsense", HERE),
    tcp("sslsni=0", HERE),
    tcp("sslsni=nonsense", HERE),
    local("sslsni=''"),
    tcp("requirepeer=nobody-at-all", HERE),
    local("requirepeer={user}"),
    row(
        "requirepeer=nobody-at-all",
        Fails(77, "requirepeer specifies \"nobody-at-all\", but actual peer user name is \"{user}\""),
    ),
    tcp("krbsrvname=x gsslib=gssapi", HERE),
    row("replication=no", Differs("a:5432 ann app - replication=no", "a:5432 ann app -", AS_WITHOUT)),
    row(
        "replication=database",
        IsStricter("a:5432 ann app - replication=database", 78, "replication", "no lock can be taken there"),
    ),
    row("sslpassword=x", IsStricter("a:5432 ann app -", 78, "sslpassword: ", WITHOUT)),
    row("sslcrldir=/x", IsStricter("a:5432 ann app -", 78, "sslcrldir: ", WITHOUT)),
    row("sslkey=engine:x", IsStricter("a:5432 ann app -", 78, "sslkey: ", WITHOUT)),
    // Since later versions.
    tcp("load_balance_hosts=disable", HERE).since(16),
    tcp("load_balance_hosts=random", HERE).since(16),
    tcp("load_balance_hosts=sometimes", Fails(78, "invalid load_balance_hosts value: \"sometimes\""))
        .since(16),
    tcp("sslcertmode=disable", HERE).since(16),
    tcp("sslcertmode=allow", HERE).since(16),
    tcp("sslcertmode=sometimes", Fails(78, "invalid sslcertmode value: \"sometimes\"")).since(16),
    tcp("require_auth=md5 password=pw", Reaches("tcp ann app pw")).since(16),
    tcp("require_auth=!password password=pw", Reaches("tcp ann app pw")).since(16),
    tcp("require_auth=md5,scram-sha-256 password=pw", Reaches("tcp ann app pw")).since(16),
    tcp("require_auth=scram-sha-256,gss password=pw", Reaches("tcp ann app -")).since(16),
    tcp("require_auth=!md5 password=pw", Reaches("tcp ann app -")).since(16),
    tcp("require_auth=nonsense", Fails(78, "invalid require_auth value: \"nonsense\"")).since(16),
    tcp("require_auth=md5,md5", Fails(78, "require_auth method \"md5\" is specified more than once"))
        .since(16),
    tcp(
        "require_auth=md5,!password",
        Fails(78, "negative require_auth method \"!password\" cannot be mixed with non-negative methods"),
    )
    .since(16),
    tcp(
        "sslrootcert=system sslmode=require",
        Fails(78, "weak sslmode \"require\" may not be used with sslrootcert=system"),
    )
    .since(16),
    tcp("sslnegotiation=postgres", HERE).since(17),
    tcp("sslnegotiation=sometimes", Fails(78, "invalid sslnegotiation value: \"sometimes\"")).since(17),
    tcp(
        "sslnegotiation=direct",
        Fails(78, "weak sslmode \"prefer\" may not be used with sslnegotiation=direct"),
    )
    .since(17),
    tcp("gssdelegation=1", HERE).since(17),
    tcp("min_protocol_version=3.0 max_protocol_version=3.0", HERE).since(18),
    tcp("min_protocol_version=3.1", Fails(78, "invalid min_protocol_version value: \"3.1\"")).since(18),
    tcp("max_protocol_version=4.0", Fails(78, "invalid max_protocol_version value: \"4.0\"")).since(18),
    tcp(
        "min_protocol_version=3.2 max_protocol_version=3.0",
        Fails(78, "\"min_protocol_version\" is greater than \"max_protocol_version\""),
    )
    .since(18),
];

const AS_WITHOUT: &str = "it changes nothing on the server";

const WITHOUT: &str = "heimdall does not have it, and says so";

const NO_STANDBY: &str = "a lock on a standby excludes no one";
