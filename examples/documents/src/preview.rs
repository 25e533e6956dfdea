//! Draws a picture of a text, with a row for each line and a bar for each word.

/// Width and height in pixels.
pub(crate) const SIZE: (u32, u32) = (160, 200);

/// Draws the first lines of a text.
pub(crate) fn png(text: &str) -> Result<Vec<u8>, png::EncodingError> {
    let (width, height) = SIZE;
    let mut pixels = vec![WHITE; (width * height) as usize];
    let rows = pixels.chunks_exact_mut(width as usize).skip(MARGIN);
    // Each line has two rows of ink and two rows of paper.
    let starts = rows.step_by(4).take(height as usize / 4 - MARGIN);
    for (row, line) in starts.zip(text.lines()) {
        let ink = row
            .iter_mut()
            .skip(MARGIN)
            .take(width as usize - 2 * MARGIN);
        for (pixel, letter) in ink.zip(line.chars()) {
            if !letter.is_whitespace() {
                *pixel = BLACK;
            }
        }
    }
    let mut file = Vec::new();
    let mut encoder = png::Encoder::new(&mut file, width, height);
    encoder.set_color(png::ColorType::Grayscale);
    encoder.write_header()?.write_image_data(&pixels)?;
    Ok(file)
}

const BLACK: u8 = 0x33;
const WHITE: u8 = 0xff;
const MARGIN: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(text: &str) -> Vec<u8> {
        let file = png(text).unwrap();
        let decoder = png::Decoder::new(std::io::Cursor::new(file));
        let mut reader = decoder.read_info().unwrap();
        let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
        let info = reader.next_frame(&mut pixels).unwrap();
        assert_eq!((info.width, info.height), SIZE);
        pixels
    }

    #[test]
    fn words_are_bars_and_an_empty_text_is_white() {
        assert!(decoded("").iter().all(|pixel| *pixel == WHITE));
        let ink = decoded("ab c").into_iter().filter(|pixel| *pixel == BLACK);
        assert_eq!(ink.count(), 3);
    }

    #[test]
    fn a_long_text_is_cut() {
        let text = ["x".repeat(1000).as_str(); 1000].join("\n");
        let ink = decoded(&text).into_iter().filter(|pixel| *pixel == BLACK);
        assert!(ink.count() < (SIZE.0 * SIZE.1) as usize / 2);
    }
}
