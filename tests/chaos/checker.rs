//! Reads the record, and finds every job that was inside when it should not have been.

use std::collections::BTreeMap;
use std::time::Duration;

use super::history::{History, Job, Run};

/// What the record tells.
#[derive(Debug, Default, PartialEq)]
pub struct Findings {
    /// Each is one broken promise.
    pub complaints: Vec<String>,
    /// How long a job went on after its successor had begun, where the server had taken the lock from it.
    pub overlaps: Vec<Duration>,
    pub begins: usize,
    /// How many pairs of jobs, the second after a crash of the server, had tokens that did not grow.
    pub tokens_again: usize,
    /// How often heimdall ended with which code.
    pub exits: BTreeMap<String, u32>,
}

/// Checks a whole record, where no overlap may last longer than `limit`.
///
/// The token tells who was granted the lock after whom. So of two jobs the one with the smaller token must not say a
/// word after the other has begun, unless a fault has taken its lock away on the server before that.
///
/// A server that crashes forgets the numbers of its last transactions where they have changed nothing, and gives them
/// again: tokens are compared only between crashes, and those that came again are counted.
pub fn check(record: &str, limit: Duration) -> Findings {
    let history = History::read(record);
    let mut findings = Findings::default();
    for (id, run) in &history.runs {
        if let Some(complaint) = judge_exit(&history, *id, run) {
            findings.complaints.push(complaint);
        }
        let code = run.exit.as_ref().map_or("none", |exit| exit.code);
        *findings.exits.entry(code.to_owned()).or_default() += 1;
    }
    let mut holders: Vec<Holder<'_>> =
        history.runs.iter().filter_map(|(id, run)| Holder::of(&history, *id, run)).collect();
    findings.begins = holders.len();
    holders.sort_by_key(|holder| holder.granted);
    for (rank, holder) in holders.iter().enumerate() {
        for next in &holders[rank + 1..] {
            findings.compare(&history, holder, next, limit);
        }
    }
    findings.overlaps.sort();
    findings
}

/// A run that was granted the lock, and whose job has begun.
struct Holder<'a> {
    id: u32,
    run: &'a Run<'a>,
    job: &'a Job,
    /// After how many crashes, and with which token: the order in which the server has granted the lock.
    granted: (usize, u64),
}

impl<'a> Holder<'a> {
    fn of(history: &History<'_>, id: u32, run: &'a Run<'a>) -> Option<Self> {
        let job = run.job.as_ref()?;
        let granted = (history.crashes_before(run, job.begin.line), job.token);
        Some(Self { id, run, job, granted })
    }
}

impl Findings {
    fn compare(&mut self, history: &History<'_>, holder: &Holder<'_>, next: &Holder<'_>, limit: Duration) {
        if holder.granted.0 < next.granted.0 && holder.job.token >= next.job.token {
            self.tokens_again += 1;
        }
        let (id, next_id) = (holder.id, next.id);
        if holder.granted == next.granted {
            let token = holder.job.token;
            return self.complaints.push(format!("runs {id} and {next_id} have the same token {token}"));
        }
        if holder.job.last.line < next.job.begin.line {
            return;
        }
        // Whoever is suspended does nothing until it is resumed, and then has time to notice.
        let from = next.job.begin.time.max(history.resumed(id, holder.job.last.line));
        let overlap = holder.job.last.time.saturating_sub(from);
        let what = format!(
            "run {id} (token {}) goes on {overlap:?} after run {next_id} (token {}) has begun",
            holder.job.token, next.job.token
        );
        // Behind a proxy the server goes by the heartbeats, and may take the lock of one that sends none.
        let stops = if holder.run.route.starts_with("proxy-") { STOPS } else { &[] };
        if !history.is_struck(id, holder.run, next.job.begin.line, &[TAKES_THE_LOCK, stops].concat()) {
            self.complaints.push(format!("{what}, and nothing has taken its lock"));
        } else if overlap > limit {
            self.complaints.push(format!("{what}, too long"));
        } else {
            self.overlaps.push(overlap);
        }
    }
}

/// Each end has its cause.
fn judge_exit(history: &History<'_>, id: u32, run: &Run<'_>) -> Option<String> {
    let Some(exit) = &run.exit else { return Some(format!("run {id} has no end")) };
    let has_begun = run.job.is_some();
    let struck = |kinds| history.is_struck(id, run, exit.at.line, kinds);
    let is_right = match exit.code {
        "0" => run.job.as_ref().is_some_and(|job| job.has_ended),
        "75" => !has_begun,
        "69" => {
            let is_late = struck(STOPS) && exit.stderr.contains(TIMED_OUT);
            !has_begun && (struck(ENDS_THE_CONNECTION) || exit.stderr.contains(TOO_MANY) || is_late)
        }
        "74" => struck(ENDS_THE_CONNECTION) || struck(STOPS),
        "137" => struck(&["kill-job"]),
        "killed" => struck(&["kill-heimdall"]),
        code => is_by_signal(code) && struck(&["storm"]),
    };
    (!is_right).then(|| format!("run {id} through {} ends with {}: {}", run.route, exit.code, exit.stderr))
}

/// The server gives the lock of such a victim to the next who asks.
const TAKES_THE_LOCK: &[&str] = &["terminate-backend", "cut", "fast-restart", "immediate-restart"];

const ENDS_THE_CONNECTION: &[&str] =
    &["terminate-backend", "cut", "fast-restart", "immediate-restart", "silence"];

/// Whoever goes on half a lease after the last answer has lost the lock.
const STOPS: &[&str] = &["stop-heimdall", "suspend", "suspend-host"];

/// What the server says to a role at its connection limit.
const TOO_MANY: &str = "too many connections for role";

/// What one says that was stopped while it connected, for as long as that may take.
const TIMED_OUT: &str = "timeout expired";

/// Whether heimdall was ended by a signal, or its job was.
fn is_by_signal(code: &str) -> bool {
    code.starts_with("signal-") || code.parse().is_ok_and(|code: u8| code > 128)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_millis(500);

    /// Two jobs, of which the first has one more line to say once the second has begun, with more lines between.
    fn overlap(between: &str, last: &str) -> String {
        format!(
            "1.00 try 1 proxy\n1.00 try 2 tcp\n1.10 begin 1 70 4711\n1.20 in 1 70 4711\n{between}\
             2.00 begin 2 71 4712\n{last} in 1 70 4711\n2.80 end 2 71 4712\n\
             2.90 exit 1 74 \"lost\"\n2.90 exit 2 0 \"\"\n"
        )
    }

    fn complaints(record: &str) -> Vec<String> {
        check(record, LIMIT).complaints
    }

    #[test]
    fn jobs_one_after_another_are_fine() {
        let record = "1.00 try 1 tcp\n1.10 begin 1 70 4711\n1.20 in 1 70 4711\n1.30 end 1 70 4711\n\
                      1.30 try 2 tcp\n1.31 begin 2 71 4712\n1.31 exit 1 0 \"\"\n1.40 try 3 tcp\n\
                      1.41 exit 3 75 \"held\"\n1.45 end 2 71 4712\n1.50 exit 2 0 \"\"\n";
        let exits = BTreeMap::from([("0".to_owned(), 2), ("75".to_owned(), 1)]);
        assert_eq!(check(record, LIMIT), Findings { begins: 2, exits, ..Findings::default() });
    }

    #[test]
    fn an_overlap_needs_a_fault_that_has_taken_the_lock_of_the_first() {
        for (fault, kind, victim) in [
            (true, "terminate-backend", "1"),
            (true, "cut", "proxy"),
            (true, "fast-restart", "all"),
            (false, "terminate-backend", "2"),
            (false, "cut", "tcp"),
            (false, "silence", "proxy"),
            (false, "kill-heimdall", "1"),
            (false, "stop-heimdall", "1"),
            (false, "kill-job", "1"),
        ] {
            let record = overlap(&format!("1.50 fault 0 {kind} {victim}\n1.60 over 0\n"), "2.20");
            let is_excused =
                !complaints(&record).iter().any(|complaint| complaint.contains("nothing has taken its lock"));
            assert_eq!(is_excused, fault, "{kind} {victim}");
            let overlaps = if fault { vec![Duration::from_millis(200)] } else { vec![] };
            assert_eq!(check(&record, LIMIT).overlaps, overlaps);
        }
    }

    #[test]
    fn behind_a_proxy_a_host_that_is_suspended_may_lose_its_lock() {
        for (route, is_excused) in [("proxy-1", true), ("tcp", false)] {
            let record = overlap("1.50 fault 0 suspend-host 1\n", "2.40 over 0\n2.50");
            let record = record.replacen("try 1 proxy", &format!("try 1 {route}"), 1);
            assert_eq!(complaints(&record).is_empty(), is_excused, "{route}: {record}");
        }
    }

    #[test]
    fn an_overlap_must_be_short() {
        let fault = "1.50 fault 0 cut proxy\n1.60 over 0\n";
        assert_eq!(complaints(&overlap(fault, "2.50")), Vec::<String>::new());
        assert!(complaints(&overlap(fault, "2.51"))[0].ends_with("too long"));
    }

    #[test]
    fn the_time_of_a_suspended_host_does_not_count() {
        let fault = "1.50 fault 0 suspend-host 1\n1.60 fault 1 terminate-backend 1\n1.70 over 1\n";
        // The second begins at 2.00, in which the first is suspended.
        let resumed_late = |last: &str| overlap(fault, &format!("2.40 over 0\n{last}"));
        assert_eq!(complaints(&resumed_late("2.90")), Vec::<String>::new());
        assert!(complaints(&resumed_late("2.91"))[0].ends_with("too long"));
        let not_lost = overlap("1.50 fault 0 suspend-host 1\n", "2.40 over 0\n2.50");
        assert!(complaints(&not_lost)[0].ends_with("nothing has taken its lock"));
    }

    #[test]
    fn a_fault_is_no_excuse_for_what_was_before_or_comes_after_it() {
        let early = "0.50 fault 0 cut proxy\n0.60 over 0\n".to_owned() + &overlap("", "2.20");
        let late = overlap("", "2.20") + "2.50 fault 0 cut proxy\n2.60 over 0\n";
        for record in [early, late] {
            assert!(complaints(&record).iter().any(|complaint| complaint.contains("nothing has taken")));
        }
    }

    #[test]
    fn the_order_of_the_lines_counts_and_not_the_clock() {
        assert!(!complaints(&overlap("", "2.00")).is_empty());
    }

    #[test]
    fn tokens_grow() {
        let record = |second: u32| {
            format!(
                "1.00 try 1 tcp\n1.10 begin 1 70 4711\n1.20 end 1 70 4711\n1.30 exit 1 0 \"\"\n\
                 1.30 try 2 tcp\n1.40 begin 2 {second} 4712\n1.50 end 2 {second} 4712\n1.60 exit 2 0 \"\"\n"
            )
        };
        assert_eq!(complaints(&record(71)), Vec::<String>::new());
        assert!(complaints(&record(70))[0].contains("the same token"));
        assert!(complaints(&record(69))[0].contains("nothing has taken its lock"));
    }

    #[test]
    fn tokens_may_come_again_after_a_crash() {
        let record = |kind: &str| {
            format!(
                "1.00 try 1 tcp\n1.10 begin 1 70 4711\n1.15 fault 0 {kind} all\n1.20 in 1 70 4711\n\
                 1.30 exit 1 74 \"lost\"\n1.40 try 2 tcp\n1.40 down {kind}\n1.45 over 0\n\
                 1.50 begin 2 70 4712\n1.60 end 2 70 4712\n1.70 exit 2 0 \"\"\n"
            )
        };
        let after_crash = check(&record("immediate-restart"), LIMIT);
        assert_eq!((after_crash.complaints, after_crash.tokens_again), (vec![], 1));
        assert!(complaints(&record("fast-restart"))[0].contains("the same token"));
    }

    #[test]
    fn one_that_was_stopped_for_too_long_while_it_connected_has_no_server() {
        let exit = "2.00 exit 1 69 \"timeout expired during login\"\n";
        let stopped = format!("1.00 try 1 tcp\n1.50 fault 0 suspend 1\n1.60 over 0\n{exit}");
        assert_eq!(complaints(&stopped), Vec::<String>::new());
        assert_eq!(complaints(&format!("1.00 try 1 tcp\n{exit}")).len(), 1);
        assert_eq!(complaints(&stopped.replace("timeout expired", "refused")).len(), 1);
    }

    #[test]
    fn every_end_has_its_cause() {
        for (code, fault) in [
            ("69", "cut tcp"),
            ("74", "silence tcp"),
            ("74", "suspend-host 1"),
            ("137", "kill-job 1"),
            ("143", "storm 1"),
            ("signal-15", "storm 1"),
            ("killed", "kill-heimdall 1"),
        ] {
            let exit = format!("2.00 exit 1 {code} \"why\"\n");
            let with_fault = format!("1.00 try 1 tcp\n1.50 fault 0 {fault}\n1.60 over 0\n{exit}");
            assert_eq!(complaints(&with_fault), Vec::<String>::new());
            let without = format!("1.00 try 1 tcp\n{exit}");
            assert_eq!(complaints(&without), [format!("run 1 through tcp ends with {code}: \"why\"")]);
        }
        assert_eq!(complaints("1.00 try 1 tcp\n"), ["run 1 has no end"]);
        assert_eq!(
            complaints("1.00 try 1 tcp\n2.00 exit 1 76 \"x\"\n"),
            ["run 1 through tcp ends with 76: \"x\""]
        );
    }
}
