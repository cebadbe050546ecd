//! The statistics: medians with a distribution-free interval, and Welch's t.

use super::random::Random;

/// The 99.5th percentile of the normal distribution: a two-sided 99 % interval.
const Z: f64 = 2.575_829;

/// What pairs of times say.
pub struct Paired {
    /// The median of the first class.
    pub baseline: f64,
    /// The median of the differences, second class less first, and its 99 % interval.
    pub difference: f64,
    pub low: f64,
    pub high: f64,
    /// Welch's t of the two classes, for information: it takes no notice of the pairs, and slow outliers drown it.
    pub t: f64,
    pub pairs: usize,
}

impl Paired {
    pub fn of(first: &[f64], second: &[f64]) -> Self {
        assert_eq!(first.len(), second.len());
        let mut differences: Vec<f64> = first.iter().zip(second).map(|(first, second)| second - first).collect();
        differences.sort_by(f64::total_cmp);
        let (low, high) = interval(&differences);
        Self {
            baseline: median(first),
            difference: middle(&differences),
            low,
            high,
            t: welch(second, first),
            pairs: first.len(),
        }
    }
}

pub fn median(figures: &[f64]) -> f64 {
    let mut sorted = figures.to_vec();
    sorted.sort_by(f64::total_cmp);
    middle(&sorted)
}

fn middle(sorted: &[f64]) -> f64 {
    match sorted.len() {
        0 => f64::NAN,
        count if count % 2 == 1 => sorted[count / 2],
        count => f64::midpoint(sorted[count / 2 - 1], sorted[count / 2]),
    }
}

/// The 99 % interval of the median by order statistics: how many of n figures lie below the true median is binomial
/// (n, 1/2), whatever their distribution. Rounded outwards; with very few figures it is all of them.
fn interval(sorted: &[f64]) -> (f64, f64) {
    let count = sorted.len() as f64;
    let reach = Z * count.sqrt() / 2.0;
    let low = (count / 2.0 - reach).floor().max(1.0) as usize;
    let high = ((count / 2.0 + reach).ceil() as usize + 1).min(sorted.len());
    (sorted[low - 1], sorted[high - 1])
}

pub fn welch(first: &[f64], second: &[f64]) -> f64 {
    let (one, other) = (Moments::of(first), Moments::of(second));
    (one.mean - other.mean) / (one.variance / one.count + other.variance / other.count).sqrt()
}

struct Moments {
    count: f64,
    mean: f64,
    variance: f64,
}

impl Moments {
    fn of(figures: &[f64]) -> Self {
        let count = figures.len() as f64;
        let mean = figures.iter().sum::<f64>() / count;
        let squares: f64 = figures.iter().map(|figure| (figure - mean).powi(2)).sum();
        Self { count, mean, variance: squares / (count - 1.0) }
    }
}

/// Welch's t as `dudect` takes it: over all samples, and over those below a percentile of both classes together, because
/// interrupts make a long tail in which a small difference drowns. The largest by absolute value counts.
pub fn cropped_t(first: &[f64], second: &[f64]) -> f64 {
    let mut pooled: Vec<f64> = first.iter().chain(second).copied().collect();
    pooled.sort_by(f64::total_cmp);
    let below = |class: &[f64], limit: f64| class.iter().copied().filter(|time| *time <= limit).collect::<Vec<_>>();
    [1.0, 0.99, 0.9, 0.5]
        .map(|part| {
            let limit = pooled[((pooled.len() - 1) as f64 * part) as usize];
            welch(&below(first, limit), &below(second, limit))
        })
        .into_iter()
        .filter(|t| !t.is_nan())
        .fold(0.0, |most: f64, t| if t.abs() > most.abs() { t } else { most })
}

/// Fails if the statistics are wrong: every run begins with it, as this program has no test harness.
pub fn self_check() {
    let count: Vec<f64> = (1..=1000).map(f64::from).collect();
    assert_eq!(median(&count), 500.5);
    // 500 - 2.5758 * sqrt(1000) / 2 = 459.3 and 500 + 40.7 = 540.7.
    assert_eq!(interval(&count), (459.0, 542.0));
    let t = welch(&[1.0, 2.0, 3.0, 4.0, 5.0], &[2.0, 4.0, 6.0, 8.0, 10.0]);
    assert!((t + 3.0 / 2.5_f64.sqrt()).abs() < 1e-12, "{t}");

    // A skew distribution whose median is 1/4: the interval must hold it in about 99 % of the draws, and a shift must show.
    let mut random = Random::new(1);
    let mut draw = || -> Vec<f64> { (0..501).map(|_| (random.next() as f64 / u64::MAX as f64).powi(2)).collect() };
    let held = (0..1000).filter(|_| {
        let mut figures = draw();
        figures.sort_by(f64::total_cmp);
        let (low, high) = interval(&figures);
        low <= 0.25 && 0.25 <= high
    });
    let held = held.count();
    assert!(held >= 980, "{held} of 1000 intervals hold the median");
    let (one, other) = (draw(), draw());
    let shifted: Vec<f64> = one.iter().map(|figure| figure + 0.01).collect();
    let paired = Paired::of(&one, &shifted);
    assert!((paired.difference - 0.01).abs() < 1e-9 && paired.low > 0.0);
    assert!(cropped_t(&one, &other).abs() < 4.5);
    let apart: Vec<f64> = other.iter().map(|figure| figure + 0.2).collect();
    assert!(cropped_t(&apart, &one) > 4.5);
}
