//! Copies of the servers that tests start: standbys, and restores to a point in time.

use std::iter;

use super::directory::Directory;
use super::{Cluster, ClusterOptions, path_text};

impl Cluster {
    /// Starts a streaming standby of this server, which can be read and not written.
    pub fn start_standby(&self) -> Self {
        let primary = format!("{} user=postgres", self.socket()).replace('\'', "''");
        self.start_copy("standby.signal", &format!("primary_conninfo = '{primary}'"))
    }

    /// Starts a server on this one's data as they are now, as after a recovery to this point in time.
    pub fn start_restored(&self) -> Self {
        let wal = path_text(&self.directory).to_owned() + "/data/pg_wal";
        let configuration = format!(
            "restore_command = 'cp \"{wal}/%f\" \"%p\" 2>/dev/null'
            recovery_target = 'immediate'
            recovery_target_action = 'promote'"
        );
        let copy = self.start_copy("recovery.signal", &configuration);
        copy.wait_for("select pg_is_in_recovery()", "f");
        copy
    }

    fn start_copy(&self, signal: &str, configuration: &str) -> Self {
        iter::repeat_with(|| self.try_start_copy(signal, configuration))
            .take(5)
            .flatten()
            .next()
            .expect("a port that stays free")
    }

    /// Copies the data while the server runs, since not every package has a `pg_basebackup` of its version
    /// (PostgreSQL documentation, "Making a Base Backup Using the Low Level API").
    ///
    /// `None` when somebody else took the port before the server did.
    fn try_start_copy(&self, signal: &str, configuration: &str) -> Option<Self> {
        let directory = Directory::new();
        let (start, stop) = match self.version() {
            ..15 => ("pg_start_backup('standby', true, false)", "pg_stop_backup(false)"),
            _ => ("pg_backup_start('standby', true)", "pg_backup_stop()"),
        };
        let data = path_text(&directory).replace('\'', "''") + "/data";
        // By the server's user, to whom the data belong. A file may vanish meanwhile, which fails `cp`.
        let label = self.sql(&format!(
            "select {start} \\g /dev/null
            copy (select where false) to program
                'cp -R . \"{data}\" 2>/dev/null; cd \"{data}\" && rm -f postmaster.* && test -e global/pg_control';
            select labelfile from {stop};"
        ));
        directory.write("data/backup_label", &(label + "\n"));
        directory.write(&format!("data/{signal}"), "");
        let configuration = configuration.to_owned();
        Self::launch(&[], self.bin, directory, &ClusterOptions { configuration, hba: String::new() })
    }
}
