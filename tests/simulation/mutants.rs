//! Deliberate mistakes, each of which the simulation must find. They are made in the simulated heimdall or its server: the
//! product knows nothing of them.

/// A mistake.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mutant {
    /// SIGKILL comes after a whole lease and not by three quarters of it.
    KillsAfterAWholeLease,
    /// The job gets SIGTERM, and no SIGKILL.
    NeverKills,
    /// SIGKILL hits the program, and no one else.
    KillsTheProgramAlone,
    /// heimdall ends when the program has, whatever is left of a job that is to end.
    LooksAtTheProgramAlone,
    /// The lease counts from when an answer was read, and not from when it was asked for.
    CountsFromTheAnswer,
    /// Silence counts from the last question, so that a host which wakes up late gives its job time again.
    CountsFromTheQuestion,
    /// The program starts however old the question is whose answer grants the lock.
    TrustsALateAnswer,
    /// So it does when the answer to the question whether the lock is still held was read late.
    TrustsALateConfirmation,
    /// The time that the login took counts as the server's silence while the lock is held before the program.
    TakesTheLoginForSilence,
    /// The server is not told how long the client may be silent.
    ServerIsNotTold,
    /// The server is told half of it.
    ServerIsImpatient,
    /// The server goes by TCP also where that ends at a proxy.
    GoesByTcpBehindAProxy,
    /// heimdall ends without waiting for the confirmation that the lock is free.
    DoesNotWaitForTheRelease,
    /// Who gives up does not say so, and keeps the connection.
    LeavesWithoutAWord,
    /// The program does not inherit the connection, so that the lock ends with heimdall.
    KeepsTheConnectionToItself,
    /// heimdall stops when it is asked to, and its job goes on.
    StopsAlone,
    /// After a stop the job goes on without a look at the lease.
    GoesOnBlindly,
    /// The lock is given back when the program has ended, also with `--drain`.
    DoesNotDrain,
    /// `--timeout` is forgotten.
    ForgetsTheTimeout,
    /// `--min-hold` is.
    ForgetsToHold,
    /// The heir tries its own key again, so that it has it once more than it gives up.
    TriesItsOwnKey,
    /// The heir that has the lock stays the heir.
    KeepsTheHeirsKey,
    /// The server is not told to end the session of an heir that does not try any more.
    DoesNotBindTheHeir,
    /// Whose session broke while it waited starts its program as soon as it has the lock.
    DoesNotWaitAfterABreak,
    /// `--settle` is forgotten.
    DoesNotSettle,
    /// The fencing token is a transaction id and no more.
    TakesTheXidForTheToken,
    /// The program starts before its token is on the disk.
    DoesNotFlushTheToken,
    /// After a loss the program is started again as soon as its back-off is over.
    RestartsWithoutTheRuleOfAFailover,
    /// A lock that is lost before the program starts is tried again at once, however often.
    TriesAgainAtOnce,
    /// Between two programs no one looks whether the lock is still held.
    DoesNotWatchAKeptLock,
    /// A program in another term is told the token of the first.
    KeepsTheOldToken,
    /// `--restart-limit` is forgotten.
    ForgetsTheRestartLimit,
    /// So is the back-off.
    RestartsAtOnce,
    /// What a program leaves is not stopped before the next one starts.
    LeavesTheRest,
    /// The command of `--on-lost` is run before the job is stopped.
    RunsTheCommandFirst,
    /// It may take as long as it likes.
    LetsTheCommandRunOn,
    /// Whoever rings is heeded.
    HeedsStrangers,
    /// Who is asked to stop frees the lock at once, and stops its job then.
    FreesTheLockFirst,
    /// Who is asked to stop does, and starts its program again.
    StartsAgainThoughAsked,
    /// No one is asked who rings.
    IsDeaf,
    /// A connection on which no answer came in time stays open.
    KeepsOldConnections,
}

pub const MUTANTS: [Mutant; 41] = [
    Mutant::CountsFromTheQuestion,
    Mutant::TrustsALateAnswer,
    Mutant::TrustsALateConfirmation,
    Mutant::TakesTheLoginForSilence,
    Mutant::KillsAfterAWholeLease,
    Mutant::NeverKills,
    Mutant::KillsTheProgramAlone,
    Mutant::LooksAtTheProgramAlone,
    Mutant::CountsFromTheAnswer,
    Mutant::ServerIsNotTold,
    Mutant::ServerIsImpatient,
    Mutant::GoesByTcpBehindAProxy,
    Mutant::DoesNotWaitForTheRelease,
    Mutant::LeavesWithoutAWord,
    Mutant::KeepsOldConnections,
    Mutant::KeepsTheConnectionToItself,
    Mutant::StopsAlone,
    Mutant::GoesOnBlindly,
    Mutant::DoesNotDrain,
    Mutant::ForgetsTheTimeout,
    Mutant::ForgetsToHold,
    Mutant::TriesItsOwnKey,
    Mutant::KeepsTheHeirsKey,
    Mutant::DoesNotBindTheHeir,
    Mutant::DoesNotWaitAfterABreak,
    Mutant::DoesNotSettle,
    Mutant::TakesTheXidForTheToken,
    Mutant::DoesNotFlushTheToken,
    Mutant::RestartsWithoutTheRuleOfAFailover,
    Mutant::TriesAgainAtOnce,
    Mutant::DoesNotWatchAKeptLock,
    Mutant::KeepsTheOldToken,
    Mutant::ForgetsTheRestartLimit,
    Mutant::RestartsAtOnce,
    Mutant::LeavesTheRest,
    Mutant::RunsTheCommandFirst,
    Mutant::LetsTheCommandRunOn,
    Mutant::HeedsStrangers,
    Mutant::FreesTheLockFirst,
    Mutant::StartsAgainThoughAsked,
    Mutant::IsDeaf,
];
