//! Medians and quartiles.

/// The quantile `q` (0 the least, 0.5 the median, 1 the greatest), linear between neighbours; none of nothing.
pub fn quantile(values: &[f64], q: f64) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let last = sorted.len().checked_sub(1)?;
    let place = q.clamp(0.0, 1.0) * last as f64;
    let (below, part) = (place.floor() as usize, place.fract());
    Some(if part == 0.0 { sorted[below] } else { sorted[below] + part * (sorted[below + 1] - sorted[below]) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_lie_between_neighbours() {
        let values = [4.0, 1.0, 3.0, 2.0];
        let at = |q| quantile(&values, q).unwrap();
        assert_eq!([at(0.0), at(0.25), at(0.5), at(1.0)], [1.0, 1.75, 2.5, 4.0]);
        assert_eq!((quantile(&[7.0], 0.3), quantile(&[], 0.5)), (Some(7.0), None));
    }
}
