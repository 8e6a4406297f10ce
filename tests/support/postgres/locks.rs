//! Who holds a lock, as the server tells it over its Unix socket.

use heimdall::lock::Key;

use super::{Cluster, Console};

impl Console {
    /// The process on the server that holds this key's lock in database `app` or any other.
    pub fn holder(&mut self, key: Key) -> Option<i32> {
        let pid = self.sql(&holder_sql("pid", key));
        (!pid.is_empty()).then(|| pid.parse().expect("one holder"))
    }
}

impl Cluster {
    /// As [`Console::holder`].
    pub fn holder(&self, key: Key) -> Option<i32> {
        self.console().holder(key)
    }

    /// Waits until so many hold this key's lock, at most 30 seconds long.
    pub fn wait_for_holders(&self, key: Key, count: u32) {
        self.wait_for(&holder_sql("count(*)", key), &count.to_string());
    }
}

fn holder_sql(columns: &str, key: Key) -> String {
    let (classid, objid, objsubid) = key.in_pg_locks();
    format!(
        "select {columns} from pg_locks where locktype = 'advisory' and granted \
         and classid = {classid} and objid = {objid} and objsubid = {objsubid}"
    )
}
