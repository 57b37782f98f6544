//! Tar archives as bytes.

use std::io::Write;

/// An archive that is being written.
#[derive(Default)]
pub struct Tar(Vec<u8>);

/// The header of an entry.
pub fn entry(name: &str, kind: u8, size: u64) -> Vec<u8> {
    let mut block = vec![0; 512];
    block[..name.len()].copy_from_slice(name.as_bytes());
    block[100..108].copy_from_slice(b"0000644\0");
    if size < 1 << 33 {
        block[124..136].copy_from_slice(format!("{size:011o}\0").as_bytes());
    } else {
        block[124] = 0x80;
        block[128..136].copy_from_slice(&size.to_be_bytes());
    }
    block[156] = kind;
    block[257..265].copy_from_slice(b"ustar\x0000");
    block[148..156].fill(b' ');
    let sum: u32 = block.iter().map(|&byte| u32::from(byte)).sum();
    block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    block
}

pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    out.write_all(bytes).unwrap();
    out.finish().unwrap()
}

impl Tar {
    fn add(&mut self, name: &str, kind: u8, bytes: &[u8]) -> &mut Self {
        self.0.extend(entry(name, kind, bytes.len() as u64));
        self.0.extend(bytes);
        self.0.resize(self.0.len().next_multiple_of(512), 0);
        self
    }

    pub fn file(&mut self, name: &str, bytes: &[u8]) -> &mut Self {
        self.add(name, b'0', bytes)
    }

    pub fn folder(&mut self, name: &str) -> &mut Self {
        self.add(name, b'5', b"")
    }

    pub fn link(&mut self, name: &str) -> &mut Self {
        self.add(name, b'2', b"")
    }

    /// The name of the next file, as pax writes it.
    pub fn pax(&mut self, name: &str) -> &mut Self {
        let length = |digits: usize| digits + " path=\n".len() + name.len();
        let digits = (1..9).find(|&digits| length(digits).to_string().len() == digits).unwrap();
        self.add("PaxHeaders/x", b'x', format!("{} path={name}\n", length(digits)).as_bytes())
    }

    /// The name of the next file, as GNU writes it.
    pub fn gnu(&mut self, name: &str) -> &mut Self {
        self.add("././@LongLink", b'L', format!("{name}\0").as_bytes())
    }

    pub fn bytes(&self) -> Vec<u8> {
        [&self.0[..], &[0; 1024]].concat()
    }
}
