//! Chance. The only source of random bytes in the product: the operating system, through aws-lc.

/// `N` random bytes from the operating system.
///
/// # Panics
/// When the operating system has no randomness: nothing that this product does is safe then.
#[must_use]
pub fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    #[expect(clippy::expect_used, reason = "without randomness every session and ticket could be guessed")]
    aws_lc_rs::rand::fill(&mut bytes).expect("the operating system gives random bytes");
    bytes
}
