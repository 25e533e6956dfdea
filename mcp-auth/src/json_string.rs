//! Writes escapes in JSON strings.

/// Writes a text as the inside of a JSON string, with the same bytes as serde_json.
pub(crate) fn escape(body: &mut Vec<u8>, text: &str) {
    let mut rest = text.as_bytes();
    loop {
        let (run, after) = rest.split_at(plain(rest));
        body.extend_from_slice(run);
        let Some((special, after)) = after.split_first() else {
            return;
        };
        body.push(b'\\');
        match special {
            b'"' | b'\\' => body.push(*special),
            0x08 => body.push(b'b'),
            b'\t' => body.push(b't'),
            b'\n' => body.push(b'n'),
            0x0c => body.push(b'f'),
            b'\r' => body.push(b'r'),
            control => {
                let last = control & 0x0f;
                let last = last + if last < 10 { b'0' } else { b'a' - 10 };
                body.extend_from_slice(&[b'u', b'0', b'0', b'0' + (control >> 4), last]);
            }
        }
        rest = after;
    }
}

/// Returns the number of bytes before the first byte that must be escaped in a JSON string, or that
/// ends the string.
#[inline]
pub(crate) fn plain(bytes: &[u8]) -> usize {
    // Most strings are short. The first bytes are searched word by word, and only longer strings
    // continue in blocks.
    let near = plain_words(bytes.get(..NEAR).unwrap_or(bytes));
    match bytes.get(NEAR..) {
        Some(far) if near == NEAR => near + plain_blocks(far),
        Some(_) | None => near,
    }
}

#[inline(never)]
fn plain_blocks(bytes: &[u8]) -> usize {
    let (blocks, _) = bytes.as_chunks();
    let blocks = blocks.iter().take_while(|block| is_plain(block)).count() * BLOCK;
    blocks + plain_words(bytes.get(blocks..).unwrap_or_default())
}

/// Returns true if none of these bytes is special. The loop has no early exit, so that the compiler
/// vectorises it.
fn is_plain(block: &[u8; BLOCK]) -> bool {
    let special = block.iter().fold(0, |any, byte| {
        any | u8::from(*byte < b' ') | u8::from(*byte == b'"') | u8::from(*byte == b'\\')
    });
    special == 0
}

#[inline]
fn plain_words(bytes: &[u8]) -> usize {
    let (words, rest) = bytes.as_chunks();
    let mut passed = 0;
    for word in words {
        match first_special(u64::from_le_bytes(*word)) {
            None => passed += size_of::<u64>(),
            Some(index) => return passed + index,
        }
    }
    let special = |byte: &u8| *byte < b' ' || matches!(byte, b'"' | b'\\');
    passed + rest.iter().position(special).unwrap_or(rest.len())
}

/// Returns the index of the first special byte among eight bytes. The subtraction may borrow from later bytes, so a
/// byte after the first special byte may wrongly look special. The first byte that looks special is always special.
#[inline]
fn first_special(word: u64) -> Option<usize> {
    const ONES: u64 = u64::MAX / 0xff;
    let below = |word: u64, n: u8| word.wrapping_sub(ONES * u64::from(n)) & !word;
    let equal = |byte: u8| below(word ^ (ONES * u64::from(byte)), 1);
    let special = (below(word, b' ') | equal(b'"') | equal(b'\\')) & (ONES << 7);
    (special != 0).then(|| special.trailing_zeros() as usize / 8)
}

/// The number of bytes of a string that are searched word by word.
const NEAR: usize = 32;
/// The number of bytes in a block.
const BLOCK: usize = 64;

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Pseudo-random numbers that are the same in each run.
    pub(crate) struct Dice(u64);

    impl Dice {
        pub(crate) fn new() -> Self {
            Self(0x9e37_79b9_7f4a_7c15)
        }

        pub(crate) fn below(&mut self, n: usize) -> usize {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            usize::try_from(self.0 >> 33).unwrap() % n
        }
    }

    #[test]
    fn escaping_is_what_serde_json_does() {
        let escaped = |text: &str| {
            let mut body = b"\"".to_vec();
            escape(&mut body, text);
            body.push(b'"');
            String::from_utf8(body).unwrap()
        };
        let mut dice = Dice::new();
        for byte in 0..=0x7f_u8 {
            for length in [1, 7, 8, 33, 100] {
                let text = char::from(byte).to_string().repeat(length);
                assert_eq!(escaped(&text), serde_json::to_string(&text).unwrap());
            }
        }
        for round in 0..3_000 {
            // Over the rounds, the share of bytes that need an escape goes from almost all to
            // almost none.
            let plain = 1 + round % 60;
            let text: String = (0..dice.below(300))
                .map(|_| match dice.below(plain) {
                    0 => [
                        '"', '\\', '\n', '\u{1}', '\u{1f}', '\u{7f}', 'é', '😀', '\u{2028}',
                    ][dice.below(9)],
                    _ => char::from(b' ' + u8::try_from(dice.below(95)).unwrap()),
                })
                .collect();
            assert_eq!(escaped(&text), serde_json::to_string(&text).unwrap());
        }
    }

    #[test]
    fn plain_ends_at_the_first_byte_that_is_not() {
        let special = |byte: u8| byte < 0x20 || byte == b'"' || byte == b'\\';
        let mut dice = Dice::new();
        for length in 0..300 {
            let plain_byte = |dice: &mut Dice| loop {
                let byte = u8::try_from(dice.below(256)).unwrap();
                if !special(byte) {
                    break byte;
                }
            };
            let mut bytes: Vec<_> = (0..length).map(|_| plain_byte(&mut dice)).collect();
            assert_eq!(plain(&bytes), length);
            for at in (0..length).rev() {
                bytes[at] = [0, 0x1f, b'\n', b'"', b'\\'][dice.below(5)];
                assert_eq!(plain(&bytes), at, "{bytes:?}");
            }
        }
        for byte in 0..=u8::MAX {
            for length in [1, 8, 40, 200] {
                let expected = if special(byte) { 0 } else { length };
                assert_eq!(plain(&vec![byte; length]), expected, "{byte}");
            }
        }
    }
}
