//! What a picture is, by its first bytes alone: a name says nothing.

/// The media type of a raster picture, which cannot hold a script; `None` for all else, SVG and HTML among it.
pub fn raster(bytes: &[u8]) -> Option<&'static str> {
    let begins = |begin: &[u8]| bytes.starts_with(begin);
    // Of BMP two letters are too little: the length of its header follows.
    let is_bmp = begins(b"BM") && bytes.get(15..18) == Some(&[0; 3]);
    Some(match bytes {
        _ if begins(b"\x89PNG\r\n\x1a\n") => "image/png",
        _ if begins(b"\xff\xd8\xff") => "image/jpeg",
        _ if begins(b"GIF87a") || begins(b"GIF89a") => "image/gif",
        _ if begins(b"RIFF") && bytes.get(8..12) == Some(b"WEBP") => "image/webp",
        _ if begins(b"II*\0") || begins(b"MM\0*") => "image/tiff",
        _ if is_bmp => "image/bmp",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_rasters_have_a_type() {
        for (bytes, kind) in [
            (&b"\x89PNG\r\n\x1a\n...."[..], Some("image/png")),
            (b"\xff\xd8\xff\xe0..", Some("image/jpeg")),
            (b"GIF89a..", Some("image/gif")),
            (b"RIFF\x10\0\0\0WEBPVP8 ", Some("image/webp")),
            (b"BM\x46\0\0\0\0\0\0\0\x36\0\0\0\x28\0\0\0", Some("image/bmp")),
            (b"II*\0", Some("image/tiff")),
            (b"<svg xmlns='http://www.w3.org/2000/svg'><script/></svg>", None),
            (b"<!doctype html><script>", None),
            (b"%PDF-1.4", None),
            (b"BM is a text", None),
            (b"RIFF\x10\0\0\0WAVEfmt ", None),
            (b"root:x:0:0", None),
            (b"", None),
        ] {
            assert_eq!(raster(bytes), kind, "{bytes:?}");
        }
    }
}
