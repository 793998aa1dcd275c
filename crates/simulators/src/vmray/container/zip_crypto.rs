//! The old encryption of ZIP archives, the one that malware is passed around in.

/// The keys that a password makes.
#[derive(Debug, Clone)]
pub(super) struct Keys([u32; 3]);

/// Bytes before the content of an encrypted member.
pub(super) const HEADER: usize = 12;

impl Keys {
    pub(super) fn of(password: &str) -> Self {
        let mut keys = Self([0x1234_5678, 0x2345_6789, 0x3456_7890]);
        password.bytes().for_each(|byte| keys.update(byte));
        keys
    }

    fn update(&mut self, byte: u8) {
        let Self([first, second, third]) = self;
        *first = step(*first, byte);
        *second = second.wrapping_add(*first & 0xff).wrapping_mul(0x0808_8405).wrapping_add(1);
        *third = step(*third, second.to_be_bytes()[0]);
    }

    fn mask(&self) -> u8 {
        let Self([.., third]) = self;
        let low = (third | 2) & 0xffff;
        low.wrapping_mul(low ^ 1).to_be_bytes()[2]
    }

    pub(super) fn decrypt(&mut self, byte: u8) -> u8 {
        let plain = byte ^ self.mask();
        self.update(plain);
        plain
    }

    #[cfg(test)]
    pub(super) fn encrypt(&mut self, plain: u8) -> u8 {
        let byte = plain ^ self.mask();
        self.update(plain);
        byte
    }
}

/// One step of CRC-32 without the inversions.
fn step(crc: u32, byte: u8) -> u32 {
    (0..8).fold(crc ^ u32::from(byte), |crc, _| if crc & 1 == 1 { 0xedb8_8320 ^ (crc >> 1) } else { crc >> 1 })
}

/// CRC-32 of a content.
pub(super) fn crc32(content: &[u8]) -> u32 {
    !content.iter().fold(u32::MAX, |crc, byte| step(crc, *byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_password_encrypts_it_decrypts() {
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
        let mut keys = Keys::of("infected");
        let secret: Vec<u8> = b"hello".iter().map(|byte| keys.encrypt(*byte)).collect();
        assert_ne!(secret, b"hello");
        let mut keys = Keys::of("infected");
        let plain: Vec<u8> = secret.iter().map(|byte| keys.decrypt(*byte)).collect();
        assert_eq!(plain, b"hello");
    }
}
