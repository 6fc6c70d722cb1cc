//! The form that `go tool pprof` reads: a message of protocol buffers, compressed by gzip. The numbers of its fields are
//! those of pprof's `proto/profile.proto`.

use std::{
    collections::HashMap,
    time::{Duration, SystemTime},
};

use libdeflater::{CompressionLvl, Compressor};

use super::{
    sampler::{PERIOD, Samples},
    symbols::Symbols,
};

/// Writes what was met from `begun` on for so long.
pub(super) fn write(symbols: &Symbols, samples: &Samples, begun: SystemTime, duration: Duration) -> Vec<u8> {
    let mut tables = Tables::default();
    let period = nanoseconds(PERIOD);
    let mut profile = Message::default();
    let (count, time) = (tables.value_type("samples", "count"), tables.value_type("cpu", "nanoseconds"));
    profile.message(1, &count);
    profile.message(1, &time);
    for (stack, count) in samples {
        let locations: Vec<_> = stack.iter().map(|address| tables.location(*address, symbols)).collect();
        let mut sample = Message::default();
        sample.numbers(1, &locations);
        sample.numbers(2, &[*count, count * period]);
        profile.message(2, &sample);
    }
    for (number, code) in (1..).zip(&symbols.code) {
        let mut mapping = Message::default();
        mapping.number(1, number);
        mapping.number(2, code.addresses.start as u64);
        mapping.number(3, code.addresses.end as u64);
        mapping.number(4, code.offset);
        mapping.number(5, tables.text(&code.path));
        mapping.number(6, tables.text(&code.build_id));
        // There is nothing more to find out: otherwise the file would be looked for, each time, for its lines.
        (7..=10).for_each(|field| mapping.number(field, 1));
        profile.message(3, &mapping);
    }
    tables.locations.iter().for_each(|location| profile.message(4, location));
    tables.functions.iter().for_each(|function| profile.message(5, function));
    tables.texts.iter().for_each(|text| profile.bytes(6, text.as_bytes()));
    profile.number(9, nanoseconds(begun.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default()));
    profile.number(10, nanoseconds(duration));
    profile.message(11, &time);
    profile.number(12, period);
    gzip(&profile.0)
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

fn gzip(profile: &[u8]) -> Vec<u8> {
    let mut compressor = Compressor::new(CompressionLvl::default());
    let mut compressed = vec![0; compressor.gzip_compress_bound(profile.len())];
    // The bound always suffices.
    let length = compressor.gzip_compress(profile, &mut compressed).unwrap_or_default();
    compressed.truncate(length);
    compressed
}

/// What is written once and referred to by number.
struct Tables {
    texts: Vec<String>,
    text_numbers: HashMap<String, u64>,
    functions: Vec<Message>,
    function_numbers: HashMap<u64, u64>,
    locations: Vec<Message>,
    location_numbers: HashMap<usize, u64>,
}

impl Default for Tables {
    /// The first text is the empty one.
    fn default() -> Self {
        Self {
            texts: vec![String::new()],
            text_numbers: [(String::new(), 0)].into(),
            functions: Vec::new(),
            function_numbers: HashMap::new(),
            locations: Vec::new(),
            location_numbers: HashMap::new(),
        }
    }
}

impl Tables {
    fn text(&mut self, text: &str) -> u64 {
        if let Some(number) = self.text_numbers.get(text) {
            return *number;
        }
        let number = self.texts.len() as u64;
        self.texts.push(text.to_owned());
        self.text_numbers.insert(text.to_owned(), number);
        number
    }

    fn value_type(&mut self, name: &str, unit: &str) -> Message {
        let mut value_type = Message::default();
        value_type.number(1, self.text(name));
        value_type.number(2, self.text(unit));
        value_type
    }

    fn function(&mut self, name: &str) -> u64 {
        let name = self.text(name);
        if let Some(number) = self.function_numbers.get(&name) {
            return *number;
        }
        let mut function = Message::default();
        let number = self.functions.len() as u64 + 1;
        function.number(1, number);
        function.number(2, name);
        // Without the name that the linker knows: where the two are the same, `go tool pprof` takes `<…>` for C++, and
        // leaves it out.
        self.functions.push(function);
        self.function_numbers.insert(name, number);
        number
    }

    fn location(&mut self, address: usize, symbols: &Symbols) -> u64 {
        if let Some(number) = self.location_numbers.get(&address) {
            return *number;
        }
        let mut location = Message::default();
        let number = self.locations.len() as u64 + 1;
        location.number(1, number);
        if let Some(mapping) = symbols.code.iter().position(|code| code.addresses.contains(&address)) {
            location.number(2, mapping as u64 + 1);
        }
        location.number(3, address as u64);
        if let Some(function) = symbols.function(address) {
            let mut line = Message::default();
            line.number(1, self.function(function));
            location.message(4, &line);
        }
        self.locations.push(location);
        self.location_numbers.insert(address, number);
        number
    }
}

/// A message of protocol buffers.
#[derive(Default)]
struct Message(Vec<u8>);

impl Message {
    fn number(&mut self, field: u64, number: u64) {
        self.varint(field << 3);
        self.varint(number);
    }

    fn bytes(&mut self, field: u64, bytes: &[u8]) {
        self.varint(field << 3 | 2);
        self.varint(bytes.len() as u64);
        self.0.extend(bytes);
    }

    fn message(&mut self, field: u64, message: &Self) {
        self.bytes(field, &message.0);
    }

    fn numbers(&mut self, field: u64, numbers: &[u64]) {
        let mut packed = Self::default();
        numbers.iter().for_each(|number| packed.varint(*number));
        self.message(field, &packed);
    }

    /// Seven bits in each byte, the lowest first; the eighth says that there are more.
    fn varint(&mut self, mut number: u64) {
        while number >= 0x80 {
            self.0.push(number as u8 | 0x80);
            number >>= 7;
        }
        self.0.push(number as u8);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_as_protocol_buffers_have_them() {
        let mut message = Message::default();
        message.number(1, 150);
        message.bytes(2, b"testing");
        message.numbers(6, &[3, 270, 86_942]);
        let expected = b"\x08\x96\x01\x12\x07testing\x32\x06\x03\x8e\x02\x9e\xa7\x05";
        assert_eq!(message.0, expected);
    }
}
