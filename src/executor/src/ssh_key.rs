//! Private ssh keys: read from what `ssh-keygen` and `openssl` write, and used to sign.
//!
//! Read are OpenSSH's own format (its `PROTOCOL.key`), PKCS#1, PKCS#8 and SEC 1, each as PEM and without a passphrase,
//! as BuildKit's client does.

use std::fmt;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use ring::signature::{Ed25519KeyPair, KeyPair};
use rsa::pkcs1::DecodeRsaPrivateKey;
use rsa::pkcs1v15::SigningKey;
use rsa::pkcs8::DecodePrivateKey;
use rsa::signature::{SignatureEncoding, Signer};
use rsa::traits::PublicKeyParts;
use rsa::{BoxedUint, sha2};

use crate::ssh_wire::{Fields, put_positive, put_string};

const MAGIC: &[u8] = b"openssh-key-v1\0";

/// Flags of a request to sign, of the ssh agent's protocol (draft-ietf-sshm-ssh-agent, section 3.6.1).
const RSA_SHA2_256: u32 = 2;
const RSA_SHA2_512: u32 = 4;

/// A key that can sign.
pub struct PrivateKey {
    /// The public key, as ssh sends it.
    public: Vec<u8>,
    secret: Secret,
}

enum Secret {
    Ed25519(Ed25519KeyPair),
    P256(p256::ecdsa::SigningKey),
    P384(p384::ecdsa::SigningKey),
    P521(p521::ecdsa::SigningKey),
    Rsa(rsa::PrivateKey),
}

/// Why a file gives no key.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unusable {
    #[error("is neither the socket of an agent nor a private key")]
    NoKey,
    #[error("is a key with a passphrase, and nobody is asked for it")]
    Passphrase,
    #[error("has a {0}, which is not supported")]
    Kind(String),
    #[error("is a private key that is damaged")]
    Damaged,
}

impl PrivateKey {
    /// The key in a file.
    pub fn parse(file: &[u8]) -> Result<Self, Unusable> {
        let pem = Pem::parse(file)?;
        if pem.encrypted {
            return Err(Unusable::Passphrase);
        }
        let secret = match pem.label {
            "OPENSSH PRIVATE KEY" => openssh(&pem.content()?)?,
            "RSA PRIVATE KEY" => rsa::PrivateKey::from_pkcs1_der(&pem.content()?)
                .map(Secret::Rsa)
                .map_err(|_| Unusable::Damaged)?,
            "EC PRIVATE KEY" => sec1(&pem.content()?).ok_or(Unusable::Damaged)?,
            "PRIVATE KEY" => pkcs8(&pem.content()?).ok_or(Unusable::Damaged)?,
            label => return Err(Unusable::Kind(label.to_owned())),
        };
        Ok(Self {
            public: secret.public(),
            secret,
        })
    }

    /// The public key, as ssh sends it.
    pub fn public(&self) -> &[u8] {
        &self.public
    }

    /// The signature of this, as ssh sends it; nothing if the flags ask for what the key does not do.
    pub fn sign(&self, data: &[u8], flags: u32) -> Option<Vec<u8>> {
        let (algorithm, signature) = match (&self.secret, flags) {
            (Secret::Ed25519(key), 0) => ("ssh-ed25519", key.sign(data).as_ref().to_vec()),
            (Secret::P256(key), 0) => {
                let signature: p256::ecdsa::Signature = key.try_sign(data).ok()?;
                ("ecdsa-sha2-nistp256", two_numbers(&signature.to_bytes()))
            }
            (Secret::P384(key), 0) => {
                let signature: p384::ecdsa::Signature = key.try_sign(data).ok()?;
                ("ecdsa-sha2-nistp384", two_numbers(&signature.to_bytes()))
            }
            (Secret::P521(key), 0) => {
                let signature: p521::ecdsa::Signature = key.try_sign(data).ok()?;
                ("ecdsa-sha2-nistp521", two_numbers(&signature.to_bytes()))
            }
            (Secret::Rsa(key), 0) => {
                let key = SigningKey::<sha1::Sha1>::new(key.clone());
                ("ssh-rsa", key.try_sign(data).ok()?.to_vec())
            }
            (Secret::Rsa(key), RSA_SHA2_256) => {
                let key = SigningKey::<sha2::Sha256>::new(key.clone());
                ("rsa-sha2-256", key.try_sign(data).ok()?.to_vec())
            }
            (Secret::Rsa(key), RSA_SHA2_512) => {
                let key = SigningKey::<sha2::Sha512>::new(key.clone());
                ("rsa-sha2-512", key.try_sign(data).ok()?.to_vec())
            }
            _ => return None,
        };
        let mut signed = Vec::new();
        put_string(&mut signed, algorithm.as_bytes());
        put_string(&mut signed, &signature);
        Some(signed)
    }
}

impl fmt::Debug for PrivateKey {
    /// Nothing of the key may get into a log.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("PrivateKey").finish_non_exhaustive()
    }
}

impl Secret {
    fn public(&self) -> Vec<u8> {
        match self {
            Self::Ed25519(key) => {
                let mut public = Vec::new();
                put_string(&mut public, b"ssh-ed25519");
                put_string(&mut public, key.public_key().as_ref());
                public
            }
            Self::P256(key) => on_curve("nistp256", key.verifying_key().to_sec1_point(false)),
            Self::P384(key) => on_curve("nistp384", key.verifying_key().to_sec1_point(false)),
            Self::P521(key) => on_curve("nistp521", key.verifying_key().to_sec1_point(false)),
            Self::Rsa(key) => {
                let mut public = Vec::new();
                put_string(&mut public, b"ssh-rsa");
                put_positive(&mut public, &key.e_bytes());
                put_positive(&mut public, &key.n_bytes());
                public
            }
        }
    }
}

/// RFC 5656, section 3.1.
fn on_curve(curve: &str, point: impl AsRef<[u8]>) -> Vec<u8> {
    let mut public = Vec::new();
    put_string(&mut public, format!("ecdsa-sha2-{curve}").as_bytes());
    put_string(&mut public, curve.as_bytes());
    put_string(&mut public, point.as_ref());
    public
}

/// RFC 5656, section 3.1.2; the two numbers are equally long here.
fn two_numbers(signature: &[u8]) -> Vec<u8> {
    let (r, s) = signature.split_at(signature.len() / 2);
    let mut numbers = Vec::new();
    put_positive(&mut numbers, r);
    put_positive(&mut numbers, s);
    numbers
}

/// RFC 5915
fn sec1(der: &[u8]) -> Option<Secret> {
    use p256::elliptic_curve::SecretKey;
    let p256 = || Some(Secret::P256(SecretKey::from_sec1_der(der).ok()?.into()));
    let p384 = || Some(Secret::P384(SecretKey::from_sec1_der(der).ok()?.into()));
    let p521 = || Some(Secret::P521(SecretKey::from_sec1_der(der).ok()?.into()));
    p256().or_else(p384).or_else(p521)
}

/// RFC 5958
fn pkcs8(der: &[u8]) -> Option<Secret> {
    let ed25519 = || Ed25519KeyPair::from_pkcs8_maybe_unchecked(der).ok();
    let p256 = || p256::ecdsa::SigningKey::from_pkcs8_der(der).ok();
    let p384 = || p384::ecdsa::SigningKey::from_pkcs8_der(der).ok();
    let p521 = || p521::ecdsa::SigningKey::from_pkcs8_der(der).ok();
    let rsa = || rsa::PrivateKey::from_pkcs8_der(der).ok();
    (ed25519().map(Secret::Ed25519))
        .or_else(|| p256().map(Secret::P256))
        .or_else(|| p384().map(Secret::P384))
        .or_else(|| p521().map(Secret::P521))
        .or_else(|| rsa().map(Secret::Rsa))
}

/// OpenSSH's `PROTOCOL.key`
fn openssh(content: &[u8]) -> Result<Secret, Unusable> {
    let header = || {
        let mut fields = Fields(content.strip_prefix(MAGIC)?);
        let (cipher, _kdf, _options) = (fields.string()?, fields.string()?, fields.string()?);
        Some((cipher, fields.number()?, fields.string()?, fields.string()?))
    };
    let (cipher, keys, public, private) = header().ok_or(Unusable::Damaged)?;
    if cipher != b"none" {
        return Err(Unusable::Passphrase);
    }
    if keys != 1 {
        return Err(Unusable::Kind(format!("list of {keys} keys")));
    }
    let mut fields = Fields(private);
    let checks = (fields.number(), fields.number());
    let (Some(kind), true) = (fields.string(), checks.0 == checks.1) else {
        return Err(Unusable::Damaged);
    };
    let secret = match kind {
        b"ssh-ed25519" => ed25519(&mut fields),
        b"ecdsa-sha2-nistp256" | b"ecdsa-sha2-nistp384" | b"ecdsa-sha2-nistp521" => {
            curve(&mut fields)
        }
        b"ssh-rsa" => rsa_numbers(&mut fields),
        other => {
            let kind = format!("key of kind {}", String::from_utf8_lossy(other));
            return Err(Unusable::Kind(kind));
        }
    };
    let is_pair = |secret: &Secret| secret.public() == public;
    secret.filter(is_pair).ok_or(Unusable::Damaged)
}

fn ed25519(fields: &mut Fields<'_>) -> Option<Secret> {
    let (public, private) = (fields.string()?, fields.string()?);
    let seed = private.strip_suffix(public)?;
    let key = Ed25519KeyPair::from_seed_and_public_key(seed, public).ok()?;
    Some(Secret::Ed25519(key))
}

fn curve(fields: &mut Fields<'_>) -> Option<Secret> {
    let (curve, _public, number) = (fields.string()?, fields.string()?, fields.positive()?);
    match curve {
        b"nistp256" => p256::ecdsa::SigningKey::from_slice(&padded::<32>(number)?)
            .map(Secret::P256)
            .ok(),
        b"nistp384" => p384::ecdsa::SigningKey::from_slice(&padded::<48>(number)?)
            .map(Secret::P384)
            .ok(),
        b"nistp521" => p521::ecdsa::SigningKey::from_slice(&padded::<66>(number)?)
            .map(Secret::P521)
            .ok(),
        _ => None,
    }
}

fn rsa_numbers(fields: &mut Fields<'_>) -> Option<Secret> {
    let mut number = || Some(BoxedUint::from_be_slice_vartime(fields.positive()?));
    let (n, e, d, _iqmp) = (number()?, number()?, number()?, number()?);
    let primes = vec![number()?, number()?];
    Some(Secret::Rsa(
        rsa::PrivateKey::from_components(n, e, d, primes).ok()?,
    ))
}

/// A number with as many bytes as a curve's numbers have.
fn padded<const SIZE: usize>(number: &[u8]) -> Option<[u8; SIZE]> {
    let mut bytes = [0; SIZE];
    let zeros = SIZE.checked_sub(number.len())?;
    bytes[zeros..].copy_from_slice(number);
    Some(bytes)
}

/// The first PEM block of a file (RFC 7468; with the header lines of RFC 1421, that older keys with a passphrase have).
struct Pem<'a> {
    label: &'a str,
    encrypted: bool,
    base64: String,
}

impl<'a> Pem<'a> {
    fn parse(file: &'a [u8]) -> Result<Self, Unusable> {
        let text = str::from_utf8(file).map_err(|_| Unusable::NoKey)?;
        let mut lines = text.lines().map(str::trim);
        let label = lines
            .find_map(|line| line.strip_prefix("-----BEGIN ")?.strip_suffix("-----"))
            .ok_or(Unusable::NoKey)?;
        let end = format!("-----END {label}-----");
        let (mut encrypted, mut base64) = (label == "ENCRYPTED PRIVATE KEY", String::new());
        loop {
            match lines.next().ok_or(Unusable::Damaged)? {
                line if line == end => break,
                line if line.contains(':') => encrypted |= line.contains("ENCRYPTED"),
                line => base64.push_str(line),
            }
        }
        Ok(Self {
            label,
            encrypted,
            base64,
        })
    }

    fn content(&self) -> Result<Vec<u8>, Unusable> {
        let content = BASE64_STANDARD.decode(&self.base64);
        content.map_err(|_| Unusable::Damaged)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::process::Command;

    use super::*;

    /// A key that `ssh-keygen` makes with these arguments.
    fn made(arguments: &[&str]) -> Vec<u8> {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("key");
        let made = Command::new("ssh-keygen")
            .arg("-qf")
            .arg(&path)
            .args(arguments)
            .status();
        assert!(made.expect("ssh-keygen runs").success(), "{arguments:?}");
        fs::read(path).expect("a key")
    }

    #[test]
    fn files_that_give_no_key_say_why() {
        let kind = |text: &str| Unusable::Kind(text.to_owned());
        let secret = "a passphrase";
        let damaged = |file: Vec<u8>| {
            let mut lines: Vec<&[u8]> = file.split(|byte| *byte == b'\n').collect();
            lines.remove(2);
            lines.join(&b'\n')
        };
        let plain = made(&["-t", "ed25519", "-N", ""]);
        for (file, expected) in [
            (b"".to_vec(), Unusable::NoKey),
            (b"\xff\xfe".to_vec(), Unusable::NoKey),
            (b"ssh-ed25519 AAAA person".to_vec(), Unusable::NoKey),
            (
                b"-----BEGIN PRIVATE KEY-----\nAAAA".to_vec(),
                Unusable::Damaged,
            ),
            (
                b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----".to_vec(),
                Unusable::Damaged,
            ),
            (
                b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n".to_vec(),
                kind("PUBLIC KEY"),
            ),
            (damaged(plain), Unusable::Damaged),
            (made(&["-t", "ed25519", "-N", secret]), Unusable::Passphrase),
            (
                made(&["-t", "ecdsa", "-m", "PEM", "-N", secret]),
                Unusable::Passphrase,
            ),
            (
                made(&["-t", "ecdsa", "-m", "PKCS8", "-N", secret]),
                Unusable::Passphrase,
            ),
        ] {
            let text = String::from_utf8_lossy(&file).into_owned();
            assert_eq!(PrivateKey::parse(&file).map(drop), Err(expected), "{text}");
        }
    }

    #[test]
    fn lines_may_be_long_and_end_as_on_windows() {
        let file = made(&["-t", "ed25519", "-N", ""]);
        let key = PrivateKey::parse(&file).expect("a key");
        let text = String::from_utf8(file).expect("text");
        let (begin, rest) = text.split_once('\n').expect("lines");
        let (content, end) = rest.trim_end().rsplit_once('\n').expect("lines");
        let content = content.replace('\n', "");
        for text in [
            text.replace('\n', "\r\n"),
            format!("a word before\n{begin}\n{content}\n{end}"),
        ] {
            let other = PrivateKey::parse(text.as_bytes()).expect(&text);
            assert_eq!(other.public(), key.public(), "{text}");
        }
    }
}
