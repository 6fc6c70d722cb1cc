//! The binary format of COPY (PostgreSQL's reference of COPY, "Binary Format"), for the few types that the
//! tables have.

use super::super::SourceError;

/// What a file starts with: the signature, no flags, no extension.
const HEADER: &[u8; 19] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";

/// The field count of a tuple that is none: the end.
const TRAILER: i16 = -1;

/// The length of a field that is NULL.
const NULL: i32 = -1;

/// Rows on their way into a table.
#[derive(Debug)]
pub(super) struct Encoder(Vec<u8>);

impl Encoder {
    pub(super) fn new() -> Self {
        Self(HEADER.to_vec())
    }

    /// Begins a row; so many fields follow.
    pub(super) fn row(&mut self, fields: i16) -> &mut Self {
        self.0.extend(fields.to_be_bytes());
        self
    }

    pub(super) fn int4(&mut self, value: i32) -> &mut Self {
        self.field(&value.to_be_bytes())
    }

    pub(super) fn int2(&mut self, value: i16) -> &mut Self {
        self.field(&value.to_be_bytes())
    }

    pub(super) fn text(&mut self, value: &str) -> &mut Self {
        self.field(value.as_bytes())
    }

    /// The whole file.
    pub(super) fn finish(mut self) -> Vec<u8> {
        self.0.extend(TRAILER.to_be_bytes());
        self.0
    }

    fn field(&mut self, bytes: &[u8]) -> &mut Self {
        // A name of 2 GiB cannot be in memory twice; the database would refuse the length it is cut to.
        let length = i32::try_from(bytes.len()).unwrap_or(i32::MAX);
        self.0.extend(length.to_be_bytes());
        self.0.extend(bytes);
        self
    }
}

/// Rows on their way out, in pieces that begin and end anywhere.
#[derive(Debug, Default)]
pub(super) struct Decoder {
    arrived: Vec<u8>,
    /// How much of it was read already.
    read: usize,
    header_seen: bool,
    ended: bool,
}

/// The fields of one row, to be taken in their order.
#[derive(Debug)]
pub(super) struct Fields<'a>(&'a [u8]);

impl Decoder {
    /// Takes the next piece, and forgets the rows that were read.
    pub(super) fn push(&mut self, piece: &[u8]) {
        self.arrived.drain(..self.read);
        self.read = 0;
        self.arrived.extend(piece);
    }

    /// The next row, if all of it has arrived.
    pub(super) fn next_row(&mut self) -> Result<Option<Fields<'_>>, SourceError> {
        if !self.header_seen {
            match self.arrived.split_at_checked(HEADER.len()) {
                None => return Ok(None),
                Some((header, _)) if header == HEADER => self.read = HEADER.len(),
                Some(_) => return Err(broken("it does not start as one")),
            }
            self.header_seen = true;
        }
        let Some(end) = self.row_end()? else { return Ok(None) };
        let row = &self.arrived[self.read + 2..end];
        self.read = end;
        Ok(Some(Fields(row)))
    }

    /// Whether the end has arrived; a stream that ends before was cut.
    pub(super) fn is_complete(&self) -> bool {
        self.ended
    }

    /// Where the row at hand ends, if it has arrived.
    fn row_end(&mut self) -> Result<Option<usize>, SourceError> {
        let mut rest = &self.arrived[self.read..];
        let Some(fields) = take(&mut rest).map(i16::from_be_bytes) else { return Ok(None) };
        if fields == TRAILER {
            self.ended = true;
            return Ok(None);
        }
        for _ in 0..fields {
            let Some(length) = take(&mut rest).map(i32::from_be_bytes) else { return Ok(None) };
            let length =
                if length == NULL { 0 } else { usize::try_from(length).map_err(|_| broken("a length"))? };
            match rest.split_at_checked(length) {
                Some((_, behind)) => rest = behind,
                None => return Ok(None),
            }
        }
        Ok(Some(self.arrived.len() - rest.len()))
    }
}

impl<'a> Fields<'a> {
    pub(super) fn int4(&mut self) -> Result<Option<i32>, SourceError> {
        self.fixed().map(|bytes| bytes.map(i32::from_be_bytes))
    }

    pub(super) fn int2(&mut self) -> Result<Option<i16>, SourceError> {
        self.fixed().map(|bytes| bytes.map(i16::from_be_bytes))
    }

    pub(super) fn text(&mut self) -> Result<&'a str, SourceError> {
        let bytes = self.field()?.ok_or_else(|| broken("a text is NULL"))?;
        std::str::from_utf8(bytes).map_err(|_| broken("a text is not UTF-8"))
    }

    fn fixed<const N: usize>(&mut self) -> Result<Option<[u8; N]>, SourceError> {
        let Some(bytes) = self.field()? else { return Ok(None) };
        bytes.try_into().map(Some).map_err(|_| broken("a number has another size"))
    }

    fn field(&mut self) -> Result<Option<&'a [u8]>, SourceError> {
        let length = take(&mut self.0).map(i32::from_be_bytes).ok_or_else(|| broken("a field is missing"))?;
        let Ok(length) = usize::try_from(length) else { return Ok(None) };
        let (field, rest) = self.0.split_at_checked(length).ok_or_else(|| broken("a field is cut"))?;
        self.0 = rest;
        Ok(Some(field))
    }
}

fn take<const N: usize>(bytes: &mut &[u8]) -> Option<[u8; N]> {
    let (taken, rest) = bytes.split_first_chunk()?;
    *bytes = rest;
    Some(*taken)
}

fn broken(problem: &str) -> SourceError {
    SourceError::Unusable(format!("the database sent no COPY file in binary format: {problem}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file() -> Vec<u8> {
        let mut rows = Encoder::new();
        rows.row(3).int4(-5).text("naïve").int2(100);
        rows.row(3).int4(i32::MAX).text("").int2(-1);
        rows.finish()
    }

    #[test]
    fn rows_come_out_as_they_went_in_wherever_the_pieces_are_cut() {
        let file = file();
        for size in 1..=file.len() {
            let mut decoder = Decoder::default();
            let mut rows = Vec::new();
            for piece in file.chunks(size) {
                assert!(!decoder.is_complete());
                decoder.push(piece);
                while let Some(mut row) = decoder.next_row().unwrap() {
                    let id = row.int4().unwrap().unwrap();
                    rows.push((id, row.text().unwrap().to_owned(), row.int2().unwrap().unwrap()));
                }
            }
            assert!(decoder.is_complete());
            assert_eq!(rows, [(-5, "naïve".to_owned(), 100), (i32::MAX, String::new(), -1)], "{size}");
        }
    }

    #[test]
    fn a_null_is_nothing_and_a_cut_file_is_not_complete() {
        let mut file = HEADER.to_vec();
        file.extend([0, 2, 255, 255, 255, 255, 0, 0, 0, 2, 0, 7]);
        let mut decoder = Decoder::default();
        decoder.push(&file);
        let mut row = decoder.next_row().unwrap().unwrap();
        assert_eq!((row.int4().unwrap(), row.int2().unwrap()), (None, Some(7)));
        assert!(row.int2().is_err());
        assert!(decoder.next_row().unwrap().is_none() && !decoder.is_complete());
    }

    #[test]
    fn what_is_no_copy_file_is_refused() {
        let mut decoder = Decoder::default();
        decoder.push(b"PGCOPX\n\xff\r\n\0\0\0\0\0\0\0\0\0");
        assert!(decoder.next_row().is_err());

        let mut decoder = Decoder::default();
        decoder.push(&[HEADER.as_slice(), &[0, 1, 128, 0, 0, 0]].concat());
        assert!(decoder.next_row().is_err());
    }
}
