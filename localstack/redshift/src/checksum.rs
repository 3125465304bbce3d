//! Checksums of S3 objects: which one a request declares, computing it, and what it covers.
//!
//! Knows the five algorithms CRC32, CRC32C, CRC64NVME, SHA1 and SHA256 (S3: "Checking object integrity").
//! Compares nothing and refuses nothing: `storage` does.

use hyper::HeaderMap;
use s3s::crypto::{Checksum as _, Crc32, Crc32c, Crc64Nvme, Sha1, Sha256};
use s3s::dto;

use crate::base64;

/// A checksum algorithm of S3.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// CRC-32 (ISO-HDLC)
    Crc32,
    /// CRC-32C (Castagnoli)
    Crc32c,
    /// CRC-64/NVME, what S3 computes where nothing else was asked for
    Crc64Nvme,
    /// SHA-1
    Sha1,
    /// SHA-256
    Sha256,
}

impl Algorithm {
    const ALL: [Self; 5] = [
        Self::Crc32,
        Self::Crc32c,
        Self::Crc64Nvme,
        Self::Sha1,
        Self::Sha256,
    ];

    /// The name S3 gives it: `CRC32`, `CRC32C`, `CRC64NVME`, `SHA1`, `SHA256`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Crc32 => dto::ChecksumAlgorithm::CRC32,
            Self::Crc32c => dto::ChecksumAlgorithm::CRC32C,
            Self::Crc64Nvme => dto::ChecksumAlgorithm::CRC64NVME,
            Self::Sha1 => dto::ChecksumAlgorithm::SHA1,
            Self::Sha256 => dto::ChecksumAlgorithm::SHA256,
        }
    }

    /// The algorithm of that name, in any case.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|algorithm| algorithm.name().eq_ignore_ascii_case(name))
    }

    fn header(self) -> &'static str {
        match self {
            Self::Crc32 => "x-amz-checksum-crc32",
            Self::Crc32c => "x-amz-checksum-crc32c",
            Self::Crc64Nvme => "x-amz-checksum-crc64nvme",
            Self::Sha1 => "x-amz-checksum-sha1",
            Self::Sha256 => "x-amz-checksum-sha256",
        }
    }

    /// The value that `headers` (or trailers) declare for this algorithm.
    pub fn declared_in(self, headers: &HeaderMap) -> Option<String> {
        let value = headers.get(self.header())?;
        Some(String::from_utf8_lossy(value.as_bytes()).into_owned())
    }

    /// The algorithm a request is going to be checked with: it declares a value in a header, announces a trailer
    /// (`x-amz-trailer`), or names it only (`x-amz-sdk-checksum-algorithm`).
    pub fn announced_in(headers: &HeaderMap) -> Option<Self> {
        let by_value = |algorithm: &Self| headers.contains_key(algorithm.header());
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let trailers = text("x-amz-trailer").unwrap_or_default();
        let by_trailer = |algorithm: &Self| {
            trailers
                .split(',')
                .any(|name| name.trim().eq_ignore_ascii_case(algorithm.header()))
        };
        Self::ALL
            .into_iter()
            .find(by_value)
            .or_else(|| Self::ALL.into_iter().find(by_trailer))
            .or_else(|| text("x-amz-sdk-checksum-algorithm").and_then(Self::named))
    }
}

/// What the value of a multipart object's checksum is made from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Coverage {
    /// All bytes of the object (`FULL_OBJECT`)
    WholeObject,
    /// The parts' checksums one after the other (`COMPOSITE`); the value ends in `-N`, the number of parts
    Parts,
}

impl Coverage {
    /// What S3 calls it.
    pub fn name(self) -> &'static str {
        match self {
            Self::WholeObject => dto::ChecksumType::FULL_OBJECT,
            Self::Parts => dto::ChecksumType::COMPOSITE,
        }
    }
}

/// The checksum kept with an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Digest {
    /// How it was computed
    pub algorithm: Algorithm,
    /// From what it was computed
    pub coverage: Coverage,
    /// Base64, with `-N` behind it where it covers N parts
    pub text: String,
}

impl Digest {
    /// The shape in which answers carry it: one of the five fields, and the type.
    pub fn to_fields(&self) -> dto::Checksum {
        let mut fields = dto::Checksum {
            checksum_type: Some(dto::ChecksumType::from_static(self.coverage.name())),
            ..dto::Checksum::default()
        };
        let field = match self.algorithm {
            Algorithm::Crc32 => &mut fields.checksum_crc32,
            Algorithm::Crc32c => &mut fields.checksum_crc32c,
            Algorithm::Crc64Nvme => &mut fields.checksum_crc64nvme,
            Algorithm::Sha1 => &mut fields.checksum_sha1,
            Algorithm::Sha256 => &mut fields.checksum_sha256,
        };
        *field = Some(self.text.clone());
        fields
    }
}

/// A checksum being computed.
pub struct Hasher {
    algorithm: Algorithm,
    state: State,
}

enum State {
    Crc32(Crc32),
    Crc32c(Crc32c),
    Crc64Nvme(Crc64Nvme),
    Sha1(Sha1),
    Sha256(Box<Sha256>),
}

impl Hasher {
    /// Nothing seen yet.
    pub fn new(algorithm: Algorithm) -> Self {
        let state = match algorithm {
            Algorithm::Crc32 => State::Crc32(Crc32::new()),
            Algorithm::Crc32c => State::Crc32c(Crc32c::new()),
            Algorithm::Crc64Nvme => State::Crc64Nvme(Crc64Nvme::new()),
            Algorithm::Sha1 => State::Sha1(Sha1::new()),
            Algorithm::Sha256 => State::Sha256(Box::new(Sha256::new())),
        };
        Self { algorithm, state }
    }

    /// Takes the next bytes in.
    pub fn update(&mut self, bytes: &[u8]) {
        match &mut self.state {
            State::Crc32(state) => state.update(bytes),
            State::Crc32c(state) => state.update(bytes),
            State::Crc64Nvme(state) => state.update(bytes),
            State::Sha1(state) => state.update(bytes),
            State::Sha256(state) => state.update(bytes),
        }
    }

    /// The raw value of what was seen, big-endian for the CRCs.
    pub fn finish(self) -> Vec<u8> {
        match self.state {
            State::Crc32(state) => state.finalize().to_vec(),
            State::Crc32c(state) => state.finalize().to_vec(),
            State::Crc64Nvme(state) => state.finalize().to_vec(),
            State::Sha1(state) => state.finalize().to_vec(),
            State::Sha256(state) => state.finalize().to_vec(),
        }
    }

    /// The checksum of what was seen, as that of a whole object.
    pub fn digest(self) -> Digest {
        Digest {
            algorithm: self.algorithm,
            coverage: Coverage::WholeObject,
            text: base64::encode(&self.finish()),
        }
    }
}

/// The checksum of a multipart object that covers its parts' raw checksums (S3: "composite checksums").
pub fn of_parts(algorithm: Algorithm, parts: &[Vec<u8>]) -> Digest {
    let mut hasher = Hasher::new(algorithm);
    for part in parts {
        hasher.update(part);
    }
    Digest {
        algorithm,
        coverage: Coverage::Parts,
        text: format!("{}-{}", base64::encode(&hasher.finish()), parts.len()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Check values of the CRC catalogue and of FIPS 180 for the text `123456789`.
    #[test]
    fn known_values() {
        for (algorithm, text) in [
            (Algorithm::Crc32, "y/Q5Jg=="),
            (Algorithm::Crc32c, "4waSgw=="),
            (Algorithm::Crc64Nvme, "rosUhgp5mIg="),
            (Algorithm::Sha1, "98O8HYCOBHMq32eZZczDTKeuNEE="),
            (
                Algorithm::Sha256,
                "FeKw08M4keuw8e9gnsQZQgwg4yDOlMZfvIwzEkSOsiU=",
            ),
        ] {
            let mut hasher = Hasher::new(algorithm);
            hasher.update(b"1234");
            hasher.update(b"56789");
            let digest = hasher.digest();
            assert_eq!(digest.text, text, "{algorithm:?}");
            assert_eq!(Algorithm::named(algorithm.name()), Some(algorithm));
        }
    }

    #[test]
    fn the_algorithm_is_found_in_value_trailer_or_name() {
        let cases: [(&str, &str, Option<Algorithm>); 6] = [
            (
                "x-amz-checksum-crc64nvme",
                "AAAA",
                Some(Algorithm::Crc64Nvme),
            ),
            (
                "x-amz-trailer",
                "x-amz-checksum-crc32",
                Some(Algorithm::Crc32),
            ),
            (
                "x-amz-trailer",
                "X-Amz-Checksum-Crc32c",
                Some(Algorithm::Crc32c),
            ),
            (
                "x-amz-sdk-checksum-algorithm",
                "sha256",
                Some(Algorithm::Sha256),
            ),
            ("x-amz-sdk-checksum-algorithm", "md4", None),
            ("content-md5", "AAAA", None),
        ];
        for (name, value, expected) in cases {
            let mut headers = HeaderMap::new();
            headers.insert(
                hyper::header::HeaderName::from_static(name),
                hyper::header::HeaderValue::from_static(value),
            );
            assert_eq!(
                Algorithm::announced_in(&headers),
                expected,
                "{name}: {value}"
            );
        }
    }
}
