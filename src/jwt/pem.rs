//! The little of RFC 7468 that a private key needs.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use super::error::KeyError;

const BEGIN: &str = "-----BEGIN ";
const END: &str = "-----END ";
const DASHES: &str = "-----";
const PRIVATE_KEY: &str = "PRIVATE KEY";

/// The bytes of the one `PRIVATE KEY` block in `text`. Text around the block is explanatory (RFC 7468 section 2).
pub(super) fn private_key(text: &str) -> Result<Zeroizing<Vec<u8>>, KeyError> {
    let mut lines = text.lines().map(str::trim);
    let label = lines.find_map(|line| boundary(line, BEGIN)).ok_or(KeyError::NoPem)?;
    match label {
        PRIVATE_KEY => {}
        "ENCRYPTED PRIVATE KEY" => return Err(KeyError::EncryptedPem),
        "RSA PRIVATE KEY" | "EC PRIVATE KEY" | "EC PARAMETERS" => return Err(KeyError::NotPkcs8),
        _ => return Err(KeyError::NotPrivate),
    }
    // As long as the text, so that no half-filled buffer is left behind unwiped.
    let mut encoded = Zeroizing::new(String::with_capacity(text.len()));
    loop {
        let line = lines.next().ok_or(KeyError::DamagedPem)?;
        if let Some(end) = boundary(line, END) {
            if end == label {
                break;
            }
            return Err(KeyError::DamagedPem);
        }
        encoded.push_str(line);
    }
    if lines.any(|line| boundary(line, BEGIN).is_some()) {
        return Err(KeyError::SeveralPems);
    }
    let mut der = Zeroizing::new(Vec::with_capacity(encoded.len()));
    STANDARD.decode_vec(encoded.as_bytes(), &mut der).map_err(|_| KeyError::DamagedPem)?;
    Ok(der)
}

fn boundary<'a>(line: &'a str, start: &str) -> Option<&'a str> {
    line.strip_prefix(start)?.strip_suffix(DASHES)
}

/// A private key as PEM text: overwritten when dropped, never printed.
pub struct PrivateKeyPem(Zeroizing<String>);

impl PrivateKeyPem {
    pub(super) fn of(der: &[u8]) -> Self {
        let base64 = Zeroizing::new(STANDARD.encode(der));
        let breaks = base64.len().div_ceil(64);
        let room = base64.len().saturating_add(breaks).saturating_add(64);
        let mut text = Zeroizing::new(String::with_capacity(room));
        text.push_str("-----BEGIN PRIVATE KEY-----\n");
        let mut rest = base64.as_str();
        while let Some((line, after)) = rest.split_at_checked(64) {
            text.push_str(line);
            text.push('\n');
            rest = after;
        }
        if !rest.is_empty() {
            text.push_str(rest);
            text.push('\n');
        }
        text.push_str("-----END PRIVATE KEY-----\n");
        Self(text)
    }

    /// The text. Keep it where only this service can read it.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for PrivateKeyPem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PrivateKeyPem([redacted])")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_survives_the_way_there_and_back() {
        for length in [0, 1, 47, 48, 49, 96, 500] {
            let der = vec![0xa5; length];
            let pem = PrivateKeyPem::of(&der);
            assert!(pem.expose().lines().all(|line| line.len() <= 64));
            assert_eq!(*private_key(pem.expose()).unwrap(), der);
            let windows = pem.expose().replace('\n', "\r\n");
            assert_eq!(*private_key(&format!("Bag Attributes: none\n{windows}bye")).unwrap(), der);
        }
    }

    #[test]
    fn what_is_no_private_key_is_refused_with_its_reason() {
        let block = |label: &str| format!("-----BEGIN {label}-----\nAAAA\n-----END {label}-----\n");
        let key = block(PRIVATE_KEY);
        for (text, error) in [
            (String::new(), KeyError::NoPem),
            ("AAAA".to_owned(), KeyError::NoPem),
            (block("ENCRYPTED PRIVATE KEY"), KeyError::EncryptedPem),
            (block("RSA PRIVATE KEY"), KeyError::NotPkcs8),
            (block("EC PRIVATE KEY"), KeyError::NotPkcs8),
            (block("EC PARAMETERS"), KeyError::NotPkcs8),
            (block("PUBLIC KEY"), KeyError::NotPrivate),
            (block("CERTIFICATE"), KeyError::NotPrivate),
            (format!("{key}{key}"), KeyError::SeveralPems),
            (key.replace("END", "STOP"), KeyError::DamagedPem),
            (key.replace("END PRIVATE", "END PUBLIC"), KeyError::DamagedPem),
            (key.replace("AAAA", "AA*A"), KeyError::DamagedPem),
            (key.replace("AAAA", "AAA"), KeyError::DamagedPem),
        ] {
            assert_eq!(private_key(&text).unwrap_err(), error, "{text}");
        }
    }
}
