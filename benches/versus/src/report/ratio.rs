//! How the figures of one peer compare with those of another, and how far that can be trusted.

use super::Figure;
use super::metric::{Better, Metric};

/// The median of several ratios, and their quartiles.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Ratio {
    pub(super) median: f64,
    /// A quarter of the ratios is below the first quartile, and a quarter above the second.
    pub(super) quartiles: (f64, f64),
}

impl Ratio {
    /// Each figure is compared with the other peer's nearest figures in time, the one before it and the one after it,
    /// so slow changes, such as of the speed of a virtual machine, cancel out.
    pub(super) fn new(own: &[Figure], other: &[Figure]) -> Ratio {
        let ratios: Vec<f64> = own.iter().map(|figure| figure.value_beside(other)).collect();
        let at = |share| quantile(ratios.clone(), share);
        Ratio { median: at(0.5), quartiles: (at(0.25), at(0.75)) }
    }

    /// The median, with half the interquartile range if that is not zero.
    pub(super) fn text(&self) -> String {
        let digits = if self.median < 10.0 { 2 } else { 1 };
        let scatter = (self.quartiles.1 - self.quartiles.0) / 2.0;
        let median = format!("{:.digits$}", self.median);
        if scatter > 0.0 { format!("{median} ±{scatter:.digits$}") } else { median }
    }

    /// Whether the other peer is better by more than the tolerance, and in three of four rounds.
    pub(super) fn is_loss(&self, metric: &Metric) -> bool {
        metric.is_behind(self.median) && !self.is_in_doubt(metric)
    }

    /// Whether the other peer is better by more than the tolerance, but not in three of four rounds.
    pub(super) fn is_tie(&self, metric: &Metric) -> bool {
        metric.is_behind(self.median) && self.is_in_doubt(metric)
    }

    fn is_in_doubt(&self, metric: &Metric) -> bool {
        match metric.better {
            Better::Lower => self.quartiles.0 <= 1.0,
            Better::Higher => self.quartiles.1 >= 1.0,
            Better::Neither => true,
        }
    }
}

impl Figure {
    /// The figure as a multiple of the other peer's figures right before and right after it.
    fn value_beside(&self, other: &[Figure]) -> f64 {
        if let Some(same) = other.iter().find(|figure| figure.turn == self.turn) {
            return divided(self.value, same.value);
        }
        let before = other.iter().rev().find(|figure| figure.turn < self.turn);
        let after = other.iter().find(|figure| figure.turn > self.turn);
        match (before, after) {
            (Some(before), Some(after)) => {
                (divided(self.value, before.value) * divided(self.value, after.value)).sqrt()
            }
            (Some(only), None) | (None, Some(only)) => divided(self.value, only.value),
            (None, None) => unreachable!("nobody has no figures"),
        }
    }
}

/// If both figures are zero, neither is behind.
fn divided(own: f64, other: f64) -> f64 {
    if own == other { 1.0 } else { own / other }
}

/// The value below which this share of the values lies, interpolated between two of them.
pub(super) fn quantile(mut values: Vec<f64>, share: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    let place = share * (values.len() - 1) as f64;
    let (below, above) = (values[place.floor() as usize], values[place.ceil() as usize]);
    // Two infinite values cannot be interpolated.
    if below == above { below } else { below + (above - below) * place.fract() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figures(figures: &[(usize, f64)]) -> Vec<Figure> {
        figures.iter().map(|(turn, value)| Figure { turn: *turn, value: *value }).collect()
    }

    #[test]
    fn a_ratio_is_to_the_neighbours_in_time() {
        // The machine becomes slower by half from one measurement to the next, for both.
        let own = figures(&[(2, 150.0), (4, 337.5)]);
        let other = figures(&[(1, 200.0), (3, 450.0), (5, 1012.5)]);
        assert_eq!(Ratio::new(&own, &other), Ratio { median: 0.5, quartiles: (0.5, 0.5) });
        assert_eq!(Ratio::new(&other, &other).median, 1.0);
        assert_eq!(Ratio::new(&own[..1], &other[..1]).median, 0.75);
    }

    #[test]
    fn the_middle_half_is_told_beside_the_median() {
        let other = figures(&[(0, 100.0)]);
        let own = figures(&[(1, 90.0), (2, 100.0), (3, 110.0), (4, 120.0), (5, 500.0)]);
        let ratio = Ratio::new(&own, &other);
        assert_eq!(ratio, Ratio { median: 1.1, quartiles: (1.0, 1.2) });
        assert_eq!(ratio.text(), "1.10 ±0.10");
    }

    #[test]
    fn quantiles_lie_between_values_in_proportion() {
        assert_eq!(quantile(vec![4.0, 1.0, 2.0, 3.0], 0.5), 2.5);
        assert_eq!(quantile(vec![1.0, 2.0, 3.0], 0.25), 1.5);
        assert_eq!(quantile(vec![7.0], 0.75), 7.0);
        assert_eq!(quantile(vec![f64::INFINITY; 2], 0.5), f64::INFINITY);
    }
}
