//! Random bits from the operating system, where two things must never be the same by chance.

/// 64 random bits as 16 hexadecimal digits.
pub fn hex_u64() -> String {
    format!("{:016x}", u64::from_ne_bytes(bytes()))
}

/// 128 random bits as 32 hexadecimal digits.
pub fn hex_u128() -> String {
    format!("{:032x}", u128::from_ne_bytes(bytes()))
}

fn bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    #[expect(clippy::expect_used, reason = "Linux's getrandom cannot fail once the machine has booted")]
    getrandom::fill(&mut bytes).expect("the operating system gives random bytes");
    bytes
}
