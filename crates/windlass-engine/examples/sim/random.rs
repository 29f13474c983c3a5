//! The only source of chance: one seed, one run.

/// Splitmix64.
#[derive(Debug, Clone)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number in `0..limit`; 0 when the limit is 0.
    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        if limit == 0 { 0 } else { self.next() % limit }
    }

    /// A number in `from..=to`.
    pub(crate) fn span(&mut self, from: u64, to: u64) -> u64 {
        from + self.below(to - from + 1)
    }

    /// A small number in `from..=to`.
    pub(crate) fn count(&mut self, from: u32, to: u32) -> u32 {
        u32::try_from(self.span(u64::from(from), u64::from(to))).unwrap_or(to)
    }

    /// True in so many of 100 cases.
    pub(crate) fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    /// One of a list that is not empty.
    pub(crate) fn pick<T: Clone>(&mut self, list: &[T]) -> T {
        let index = self.below(list.len() as u64);
        list[usize::try_from(index).unwrap_or(0)].clone()
    }

    /// One of a list, if it has any.
    pub(crate) fn pick_any<T: Clone>(&mut self, list: &[T]) -> Option<T> {
        if list.is_empty() {
            None
        } else {
            Some(self.pick(list))
        }
    }

    /// Whom the first weight that a draw falls into belongs to.
    pub(crate) fn weighted<T: Copy>(&mut self, weights: &[(u64, T)]) -> T {
        let total: u64 = weights.iter().map(|(weight, _)| weight).sum();
        let mut draw = self.below(total);
        for (weight, value) in weights {
            if draw < *weight {
                return *value;
            }
            draw -= weight;
        }
        weights[0].1
    }
}
