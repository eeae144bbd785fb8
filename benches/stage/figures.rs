//! Figures: what stands in the middle of several, and whether a goal is met.

/// The middle one, or the mean of the two in the middle.
pub(crate) fn median(mut all: Vec<f64>) -> f64 {
    all.sort_by(f64::total_cmp);
    let middle = all.len() / 2;
    let at = |place: usize| all.get(place).copied().unwrap_or(f64::NAN);
    if all.len() % 2 == 1 { at(middle) } else { f64::midpoint(at(middle.wrapping_sub(1)), at(middle)) }
}

/// One word for a table.
pub(crate) const fn verdict(met: bool) -> &'static str {
    if met { "met" } else { "**missed**" }
}

/// Whether a ratio is as large as its goal. It is given with two decimals, and judged as it is given.
pub(crate) fn reaches(found: f64, goal: f64) -> bool {
    (found * 100.0).round() >= (goal * 100.0).round()
}

/// MiB of KiB.
pub(crate) fn mebibytes(kibibytes: u64) -> f64 {
    as_float(kibibytes) / 1024.0
}

/// A count to calculate with.
#[expect(clippy::cast_precision_loss, reason = "counts far below 2^52")]
pub(crate) const fn as_float(count: u64) -> f64 {
    count as f64
}

/// What a server did in a run of the load on it.
#[derive(Clone, Copy)]
pub(crate) struct Run {
    /// Answers a second.
    pub(crate) rate: f64,
    /// Answers for a second of the server's processor time.
    pub(crate) per_cpu: f64,
    /// Which part of the processor the server had.
    pub(crate) share: f64,
    /// Which part of it others had.
    pub(crate) others: f64,
}

impl Run {
    /// Of so many answers in `time` seconds, while the server used `used` of the `all` seconds that its processor worked.
    pub(crate) fn new(answers: f64, time: f64, (used, all): (f64, f64)) -> Self {
        Self { rate: answers / time, per_cpu: answers / used, share: used / time, others: (all - used) / time }
    }
}

/// What was found in some runs, as columns of a table: rate, lowest and highest, per CPU-second, its CPU, others' CPU.
pub(crate) fn columns(runs: &[Run]) -> String {
    let all = |of: fn(&Run) -> f64| runs.iter().map(of).collect::<Vec<_>>();
    let rates = all(|run| run.rate);
    let lowest = rates.iter().copied().fold(f64::INFINITY, f64::min);
    let highest = rates.iter().copied().fold(0.0, f64::max);
    format!(
        "{:.0} | {lowest:.0}–{highest:.0} | {:.0} | {:.0} % | {:.0} %",
        median(rates),
        median(all(|run| run.per_cpu)),
        median(all(|run| run.share)) * 100.0,
        median(all(|run| run.others)) * 100.0
    )
}

/// The median of the rounds' ratios, where both had the same machine.
pub(crate) fn ratio(ours: &[Run], theirs: &[Run], of: fn(&Run) -> f64) -> f64 {
    median(ours.iter().zip(theirs).map(|(ours, theirs)| of(ours) / of(theirs)).collect())
}
