//! Chance, by a seed.

/// SplitMix64: <https://prng.di.unimi.it/splitmix64.c>
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// One of 0 … `end` - 1.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.roll() % end
    }

    pub(crate) fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    pub(crate) fn one_of<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        let index = self.below(of.len() as u64);
        &of[usize::try_from(index).expect("an index")]
    }

    /// Some of them, at least one, in their order.
    pub(crate) fn some_of<T: Copy>(&mut self, of: &[T]) -> Vec<T> {
        let some: Vec<T> = of.iter().copied().filter(|_| self.chance(60)).collect();
        if some.is_empty() {
            vec![*self.one_of(of)]
        } else {
            some
        }
    }
}
