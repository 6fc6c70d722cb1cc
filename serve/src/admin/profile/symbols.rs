use std::{
    collections::{BTreeSet, HashMap},
    fs::{self, File},
    ops::Range,
};

use object::{
    Object, ObjectSegment, ObjectSymbol, SymbolKind,
    read::{ReadCache, elf::ElfFile64},
};

use super::sampler::Samples;

/// What lies at which address: the functions by their names in the symbol tables of the program and its libraries.
///
/// Lines, and functions that were put into others, are not looked up here: the tables that tell of them take 150 MB to
/// read in a server that has 7, and whoever looks at the profile has them in the same program's file.
pub(super) struct Symbols {
    /// What code is mapped where.
    pub(super) code: Vec<Code>,
    functions: HashMap<usize, String>,
}

/// A part of a file that is mapped to be executed.
#[derive(Debug, Default)]
pub(super) struct Code {
    pub(super) addresses: Range<usize>,
    /// Where in the file it starts.
    pub(super) offset: u64,
    pub(super) path: String,
    /// The file has been replaced or removed since: what lies at the path now is another one.
    deleted: bool,
    /// By what the same file is known again elsewhere.
    pub(super) build_id: String,
}

impl Symbols {
    /// Looks up every address of these samples. What cannot be read has no names.
    pub(super) fn of(samples: &Samples) -> Self {
        let addresses: BTreeSet<usize> = samples.keys().flatten().copied().collect();
        let maps = fs::read_to_string("/proc/self/maps").unwrap_or_default();
        let mut symbols =
            Self { code: maps.lines().filter_map(Code::parse).collect(), functions: HashMap::new() };
        for code in &mut symbols.code {
            let _unreadable = code.name(&addresses, &mut symbols.functions);
        }
        symbols
    }

    /// The function at this address, if it is known.
    pub(super) fn function(&self, address: usize) -> Option<&str> {
        self.functions.get(&address).map(String::as_str)
    }
}

impl Code {
    /// Reads a line of `/proc/self/maps`: `55d0a000-55d0b000 r-xp 00001000 fe:00 1234    /usr/bin/serve`.
    fn parse(line: &str) -> Option<Self> {
        let mut fields = line.split_ascii_whitespace();
        let (start, end) = fields.next()?.split_once('-')?;
        let executed = fields.next()?.contains('x');
        let offset = u64::from_str_radix(fields.next()?, 16).ok()?;
        let path = fields.nth(2)?.to_owned();
        let deleted = fields.next() == Some("(deleted)");
        let address = |text| usize::from_str_radix(text, 16).ok();
        let addresses = address(start)?..address(end)?;
        executed.then_some(Self { addresses, offset, path, deleted, build_id: String::new() })
    }

    /// The very file that is mapped here, as long as it can be had: the program's own for as long as it runs.
    fn open(&self) -> Option<File> {
        if !self.deleted {
            return File::open(&self.path).ok();
        }
        let program = fs::read_link("/proc/self/exe").ok()?;
        let is_the_program = program.to_str()?.strip_suffix(" (deleted)")? == self.path;
        is_the_program.then(|| File::open("/proc/self/exe").ok())?
    }

    /// Finds the functions at those of the addresses that lie here.
    fn name(
        &mut self,
        addresses: &BTreeSet<usize>,
        functions: &mut HashMap<usize, String>,
    ) -> object::Result<()> {
        if addresses.range(self.addresses.clone()).next().is_none() {
            return Ok(());
        }
        let Some(file) = self.open() else { return Ok(()) };
        let cache = ReadCache::new(file);
        let file = ElfFile64::<object::Endianness, _>::parse(&cache)?;
        if let Some(build_id) = file.build_id()? {
            self.build_id = build_id.iter().map(|byte| format!("{byte:02x}")).collect();
        }
        // A symbol's address is where the linker put it, in this segment of the file; here it is as far off as the whole
        // segment is. What is mapped begins with a page, in which another segment may end.
        let mapped = self.offset..self.offset + self.addresses.len() as u64;
        let shared = |(start, size): (u64, u64)| {
            start.saturating_add(size).min(mapped.end).saturating_sub(start.max(mapped.start))
        };
        let segment = file.segments().max_by_key(|segment| shared(segment.file_range()));
        let linked = segment.and_then(|segment| {
            segment.address().checked_add(self.offset)?.checked_sub(segment.file_range().0)
        });
        let Some(linked) = linked else { return Ok(()) };
        for symbol in file.symbols().chain(file.dynamic_symbols()) {
            if symbol.kind() != SymbolKind::Text || symbol.size() == 0 || symbol.address() < linked {
                continue;
            }
            let place = |address: u64| usize::try_from(address - linked).map(|at| self.addresses.start + at);
            let (Ok(start), Ok(end)) = (place(symbol.address()), place(symbol.address() + symbol.size()))
            else {
                continue;
            };
            for address in addresses.range(start..end) {
                let name = symbol.name()?;
                functions.entry(*address).or_insert_with(|| format!("{:#}", rustc_demangle::demangle(name)));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_library_that_was_replaced_is_not_taken_for_the_new_one() {
        let line = "7f00-7f10 r-xp 00001000 fe:00 1234    /usr/lib/libc.so.6";
        assert!(!Code::parse(line).unwrap().deleted);
        let code = Code::parse(&format!("{line} (deleted)")).unwrap();
        assert_eq!((code.path.as_str(), code.deleted), ("/usr/lib/libc.so.6", true));
        assert!(code.open().is_none());
    }

    #[test]
    fn functions_of_the_program_and_of_its_libraries_have_their_names() {
        let own = Symbols::of as fn(&Samples) -> Symbols as usize;
        let library = libc::getpid as unsafe extern "C" fn() -> libc::pid_t as usize;
        let symbols = Symbols::of(&[(vec![own, own + 1, library, 1], 1)].into());
        for address in [own, own + 1] {
            assert_eq!(symbols.function(address), Some("serve::admin::profile::symbols::Symbols::of"));
        }
        assert!(symbols.function(library).is_some_and(|name| name.contains("getpid")));
        assert_eq!(symbols.function(1), None);
        let code = symbols.code.iter().find(|code| code.addresses.contains(&own)).unwrap();
        assert!(code.path.contains("serve") && code.build_id.len() >= 16, "{code:?}");
    }
}
