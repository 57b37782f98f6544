//! Pictures by their first bytes and by the extension of their file: those that are read, and the way to read others.

/// A format of pictures that is not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Other {
    /// What people call it.
    pub(crate) name: &'static str,
    /// The command of a converter.
    pub(crate) way: &'static str,
}

const fn other(name: &'static str, way: &'static str) -> Other {
    Other { name, way }
}

const HEIC: Other = other("HEIC", "heif-convert a.heic a.png");
const AVIF: Other = other("AVIF", "avifdec a.avif a.png");
const SVG: Other = other("SVG", "rsvg-convert -o a.png a.svg");
const JPEG_2000: Other = other("JPEG 2000", "opj_decompress -i a.jp2 -o a.png");
const JPEG_XL: Other = other("JPEG XL", "djxl a.jxl a.png");
const PHOTOSHOP: Other = other("PSD", "magick 'a.psd[0]' a.png");
const ICON: Other = other("ICO", "magick 'a.ico[0]' a.png");
const NETPBM: Other = other("PPM", "magick a.ppm a.png");
const TGA: Other = other("TGA", "magick a.tga a.png");
const RAW: Other = other("raw", "dcraw -T a.raw");

/// Extensions in lower case.
const EXTENSIONS: [(&str, Other); 23] = [
    ("heic", HEIC),
    ("heif", HEIC),
    ("hif", HEIC),
    ("avif", AVIF),
    ("svg", SVG),
    ("svgz", SVG),
    ("jp2", JPEG_2000),
    ("j2k", JPEG_2000),
    ("jpf", JPEG_2000),
    ("jpx", JPEG_2000),
    ("jxl", JPEG_XL),
    ("psd", PHOTOSHOP),
    ("ico", ICON),
    ("ppm", NETPBM),
    ("pgm", NETPBM),
    ("pbm", NETPBM),
    ("tga", TGA),
    ("raw", RAW),
    ("dng", RAW),
    ("cr2", RAW),
    ("nef", RAW),
    ("apng", other("APNG", "magick 'a.apng[0]' a.png")),
    ("dib", other("DIB", "magick a.dib a.png")),
];

/// The format of a file with this extension, in lower case, where it is a picture that is not read.
pub(crate) fn other_by_extension(extension: &str) -> Option<Other> {
    EXTENSIONS.iter().find(|(known, _)| *known == extension).map(|(_, other)| *other)
}

/// The format of a picture that is not read, by its first bytes.
pub(crate) fn other_by_bytes(bytes: &[u8]) -> Option<Other> {
    // Of a box `ftyp` the brand follows.
    if bytes.get(4..8) == Some(b"ftyp") {
        return match bytes.get(8..12)? {
            b"avif" | b"avis" => Some(AVIF),
            b"heic" | b"heix" | b"hevc" | b"hevx" | b"heim" | b"heis" | b"mif1" | b"msf1" => Some(HEIC),
            _ => None,
        };
    }
    if bytes.starts_with(b"\0\0\0\x0cjP  \r\n\x87\n") || bytes.starts_with(b"\xff\x4f\xff\x51") {
        return Some(JPEG_2000);
    }
    if bytes.starts_with(b"\0\0\0\x0cJXL \r\n\x87\n") || bytes.starts_with(b"\xff\x0a") {
        return Some(JPEG_XL);
    }
    if bytes.starts_with(b"8BPS") {
        return Some(PHOTOSHOP);
    }
    let head = &bytes[..bytes.len().min(1024)];
    let text = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head).trim_ascii_start();
    let is_xml = text.starts_with(b"<svg") || text.starts_with(b"<?xml") || text.starts_with(b"<!");
    (is_xml && text.windows(4).any(|part| part == b"<svg")).then_some(SVG)
}

/// Whether the bytes begin as a picture that is read.
#[cfg(any(feature = "parquet", test))]
pub(in crate::corpus) fn is_picture(bytes: &[u8]) -> bool {
    let riff = bytes.starts_with(b"RIFF") && bytes.get(8..12) == Some(b"WEBP");
    // Of BMP two letters are too little: the length of its header follows.
    let bmp = bytes.starts_with(b"BM") && bytes.get(15..18) == Some(&[0; 3]);
    let begins: [&[u8]; 5] = [b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF8", b"II*\0", b"MM\0*"];
    riff || bmp || begins.iter().any(|begin| bytes.starts_with(begin))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_say_what_they_are() {
        for (bytes, name) in [
            (&b"\0\0\0\x1cftypheic\0\0\0\0mif1heic"[..], "HEIC"),
            (b"\0\0\0\x1cftypavif....", "AVIF"),
            (b"\xef\xbb\xbf<svg/>", "SVG"),
            (b"\n <svg xmlns='x'/>", "SVG"),
            (b"<?xml version='1.0'?>\n<!-- a --><svg>", "SVG"),
            (b"\0\0\0\x0cjP  \r\n\x87\n....", "JPEG 2000"),
            (b"<html>", ""),
            (b"\0\0\0\x1cftypisom", ""),
            (b"", ""),
        ] {
            assert_eq!(other_by_bytes(bytes).map_or("", |other| other.name), name, "{bytes:?}");
        }
        for (bytes, is) in [
            (&b"\x89PNG\r\n\x1a\n.."[..], true),
            (b"\xff\xd8\xff\xe0", true),
            (b"RIFF\x10\0\0\0WEBPVP8 ", true),
            (b"RIFF\x10\0\0\0WAVEfmt ", false),
            (b"BM says a text", false),
            (b"BM\x46\0\0\0\0\0\0\0\x36\0\0\0\x28\0\0\0", true),
            (b"ID3", false),
        ] {
            assert_eq!(is_picture(bytes), is, "{bytes:?}");
        }
    }
}
