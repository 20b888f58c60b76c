//! The socket between parent and child: whole frames, each with at most one descriptor.
//!
//! A frame is its length (4 bytes, little endian), the number of descriptors (1 byte, 0 or 1) and its bytes. The
//! descriptor rides on the head, so that it cannot be lost between two reads.

use std::io::{self, IoSlice, IoSliceMut, Read as _, Write as _};
use std::mem::MaybeUninit;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;

use rustix::io::retry_on_intr;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};

/// Most bytes of a frame: a spec at its bounds, written as JSON.
pub(crate) const FRAME_BYTES_MAX: usize = 16 << 20;
const HEAD: usize = 5;

/// Writes one frame of at most 16 MiB, with an open descriptor or without.
///
/// # Errors
/// What the system says, and a frame that is too long.
pub fn send(mut to: &UnixStream, bytes: &[u8], descriptor: Option<BorrowedFd<'_>>) -> io::Result<()> {
    let len = u32::try_from(bytes.len()).ok().filter(|_| bytes.len() <= FRAME_BYTES_MAX);
    let len = len.ok_or_else(|| io::Error::other("a frame is too long"))?;
    let [a, b, c, d] = len.to_le_bytes();
    let head = [a, b, c, d, u8::from(descriptor.is_some())];
    let mut space = [const { MaybeUninit::uninit() }; rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    let descriptors: Vec<_> = descriptor.into_iter().collect();
    if !descriptors.is_empty() && !ancillary.push(SendAncillaryMessage::ScmRights(&descriptors)) {
        return Err(io::Error::other("a descriptor does not fit its message"));
    }
    let sent = retry_on_intr(|| sendmsg(to, &[IoSlice::new(&head)], &mut ancillary, SendFlags::NOSIGNAL))?;
    to.write_all(head.get(sent..).unwrap_or_default())?;
    to.write_all(bytes)
}

/// Reads one frame; nothing if the other side closed before one began.
///
/// # Errors
/// What the system says, a frame that ends early, and one that breaks the format.
pub fn receive(from: &UnixStream) -> io::Result<Option<(Vec<u8>, Option<OwnedFd>)>> {
    receive_while(from, &mut || Ok(()))
}

/// The same, asking `go_on` before each wait: a time-out of the socket is for one read, and a frame that trickles in takes many.
/// Whoever has a deadline sets what is left of it there.
///
/// # Errors
/// As [`receive`], and what `go_on` says.
pub fn receive_while(
    from: &UnixStream,
    go_on: &mut dyn FnMut() -> io::Result<()>,
) -> io::Result<Option<(Vec<u8>, Option<OwnedFd>)>> {
    let mut head = [0; HEAD];
    let mut space = [const { MaybeUninit::uninit() }; rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    go_on()?;
    // A child that ends elsewhere interrupts the wait, whatever its handler says: the socket has a deadline.
    let got = retry_on_intr(|| {
        recvmsg(from, &mut [IoSliceMut::new(&mut head)], &mut ancillary, RecvFlags::CMSG_CLOEXEC)
    })?;
    let mut descriptor = None;
    for message in ancillary.drain() {
        if let RecvAncillaryMessage::ScmRights(mut descriptors) = message {
            descriptor = descriptors.next();
        }
    }
    if got.bytes == 0 {
        return Ok(None);
    }
    fill(from, head.get_mut(got.bytes..).unwrap_or_default(), go_on)?;
    let [a, b, c, d, descriptors] = head;
    let len = usize::try_from(u32::from_le_bytes([a, b, c, d])).unwrap_or(usize::MAX);
    let lost = got.flags.contains(ReturnFlags::CTRUNC) || descriptors != u8::from(descriptor.is_some());
    if len > FRAME_BYTES_MAX || lost {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "a frame breaks its format"));
    }
    let mut bytes = Vec::new();
    while bytes.len() < len {
        // No more at once than came so far: the other side cannot have memory set aside by a number.
        let step = (len - bytes.len()).min(bytes.len().max(STEP));
        let from_here = bytes.len();
        bytes.resize(from_here + step, 0);
        fill(from, bytes.get_mut(from_here..).unwrap_or_default(), go_on)?;
    }
    Ok(Some((bytes, descriptor)))
}

/// Bytes that are set aside for a frame before any of it came.
const STEP: usize = 64 << 10;

fn fill(
    mut from: &UnixStream,
    mut into: &mut [u8],
    go_on: &mut dyn FnMut() -> io::Result<()>,
) -> io::Result<()> {
    while !into.is_empty() {
        go_on()?;
        match from.read(into) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(read) => into = into.get_mut(read..).unwrap_or_default(),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd as _;

    use super::*;

    #[test]
    fn frames_and_descriptors_arrive_whole() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let (mut reader, writer) = io::pipe().unwrap();
        let long = vec![7; 3 << 20];
        let sender = std::thread::spawn(move || {
            send(&ours, b"with", Some(writer.as_fd())).unwrap();
            send(&ours, &long, None).unwrap();
        });
        let (bytes, descriptor) = receive(&theirs).unwrap().unwrap();
        assert_eq!(bytes, b"with");
        let mut through = std::fs::File::from(descriptor.unwrap());
        through.write_all(b"x").unwrap();
        assert_eq!(receive(&theirs).unwrap().unwrap().0.len(), 3 << 20);
        sender.join().unwrap();
        assert!(receive(&theirs).unwrap().is_none());
        drop(through);
        let mut rest = Vec::new();
        reader.read_to_end(&mut rest).unwrap();
        assert_eq!(rest, b"x");
    }

    #[test]
    fn a_frame_that_trickles_in_is_asked_about_before_every_wait() {
        let (mut ours, theirs) = UnixStream::pair().unwrap();
        let left = std::cell::Cell::new(3_usize);
        ours.write_all(&[100, 0, 0, 0, 0]).unwrap();
        let mut go_on = || {
            left.set(left.get().checked_sub(1).ok_or(io::ErrorKind::TimedOut)?);
            // One byte before each wait: the wait itself never ends the frame.
            ours.write_all(&[7])
        };
        let error = receive_while(&theirs, &mut go_on).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert_eq!(left.get(), 0);
    }

    #[test]
    fn a_cut_or_forged_frame_is_refused() {
        for forged in [&[1, 0, 0, 0, 0][..], &[0, 0, 0, 0, 1], &[255, 255, 255, 255, 0], &[1, 0]] {
            let (mut ours, theirs) = UnixStream::pair().unwrap();
            ours.write_all(forged).unwrap();
            drop(ours);
            assert!(receive(&theirs).is_err(), "{forged:?}");
        }
        let (ours, _theirs) = UnixStream::pair().unwrap();
        assert!(send(&ours, &vec![0; FRAME_BYTES_MAX + 1], None).is_err());
    }
}
