//! Escapes in JSON strings.

use memchr::memchr2;

/// Writes the text between the quotes of a JSON string, byte for byte as serde_json does.
pub(super) fn escape(body: &mut Vec<u8>, text: &str) {
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

/// Returns the number of bytes before the first byte that a JSON string holds only escaped, or that ends it.
///
/// The search goes chunk by chunk, so that a text in which many bytes are escaped is not searched again from each of
/// them to its end.
#[inline]
pub(super) fn plain(bytes: &[u8]) -> usize {
    let mut passed = 0;
    for chunk in bytes.chunks(CHUNK) {
        let end = memchr2(b'"', b'\\', chunk).unwrap_or(chunk.len());
        let run = chunk.get(..end).unwrap_or(chunk);
        // Without an early exit the comparison is vectorised.
        if run.iter().fold(false, |any, byte| any | (*byte < b' ')) {
            let control = run.iter().position(|byte| *byte < b' ');
            return passed + control.unwrap_or(end);
        }
        passed += end;
        if end < chunk.len() {
            break;
        }
    }
    passed
}

const CHUNK: usize = 256;

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// Pseudo-random numbers, the same in each run.
    pub(in super::super) struct Dice(u64);

    impl Dice {
        pub(in super::super) fn new() -> Self {
            Self(0x9e37_79b9_7f4a_7c15)
        }

        pub(in super::super) fn below(&mut self, n: usize) -> usize {
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
            // The share of bytes that need an escape goes from almost all to almost none.
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
