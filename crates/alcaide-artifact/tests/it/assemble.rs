//! A small assembler of pickles: bytes only, nothing is ever unpickled.

/// Bytes of a pickle in the making.
#[derive(Clone, Debug, Default)]
pub(crate) struct Asm(pub(crate) Vec<u8>);

impl Asm {
    pub(crate) fn proto(version: u8) -> Self {
        Self(vec![0x80, version])
    }

    pub(crate) fn bare() -> Self {
        Self::default()
    }

    pub(crate) fn raw(mut self, bytes: impl AsRef<[u8]>) -> Self {
        self.0.extend_from_slice(bytes.as_ref());
        self
    }

    pub(crate) fn op(self, code: u8) -> Self {
        self.raw([code])
    }

    pub(crate) fn text(self, text: &str) -> Self {
        let len = u32::try_from(text.len()).unwrap().to_le_bytes();
        self.op(b'X').raw(len).raw(text)
    }

    pub(crate) fn bytes(self, bytes: &[u8]) -> Self {
        let len = u32::try_from(bytes.len()).unwrap().to_le_bytes();
        self.op(b'B').raw(len).raw(bytes)
    }

    pub(crate) fn int(self, number: i32) -> Self {
        self.op(b'J').raw(number.to_le_bytes())
    }

    pub(crate) fn global(self, module: &str, name: &str) -> Self {
        self.raw(format!("c{module}\n{name}\n"))
    }

    pub(crate) fn stack_global(self, module: &str, name: &str) -> Self {
        self.text(module).text(name).op(0x93)
    }

    pub(crate) fn put(self, key: u8) -> Self {
        self.raw([b'q', key])
    }

    pub(crate) fn get(self, key: u8) -> Self {
        self.raw([b'h', key])
    }

    /// A tuple of one text.
    pub(crate) fn args(self, text: &str) -> Self {
        self.text(text).op(0x85)
    }

    pub(crate) fn stop(self) -> Vec<u8> {
        self.op(b'.').0
    }
}
