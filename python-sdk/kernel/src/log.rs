//! The write side of the log: records into segment files, one sync for a group.
//!
//! The files are those of `eigenspan/collector/segment.py`, which documents every byte, and the rules those of
//! `log.py`: a position that may have reached the disk is not given out again, and a file whose sync failed is cut back
//! and never written again.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

pub const HEADER_BYTES: u64 = 32;
const HEAD: usize = 52;
/// A buffer that one huge group made larger than this is given back.
const BUFFER: usize = 4 << 20;
/// Zeros written ahead of the records, with a group that the last ones did not reach for. The groups after it overwrite
/// blocks that the file has already, and a sync writes them alone: no new length, no new extent, less than half the cost.
const AHEAD: u64 = 512 << 10;
/// Groups over this bring no zeros: their own bytes are most of what a sync costs, and they would overwrite them soon.
const SMALL: u64 = AHEAD / 8;

/// What the log's guarantees rest on; a test puts a disk in its place that fails.
pub trait Disk: Send {
    type File: Send;
    fn create(&mut self, path: &Path) -> io::Result<Self::File>;
    fn write_at(&mut self, file: &Self::File, data: &[u8], offset: u64) -> io::Result<()>;
    /// Returns once the file's data and length are on the disk.
    fn sync(&mut self, file: &Self::File) -> io::Result<()>;
    /// Returns once the names in the directory are on the disk.
    fn sync_dir(&mut self, path: &Path) -> io::Result<()>;
    fn truncate(&mut self, file: &Self::File, length: u64) -> io::Result<()>;
    /// One that is not there is fine.
    fn remove(&mut self, path: &Path) -> io::Result<()>;
}

/// Real files.
#[derive(Debug)]
pub struct Files;

impl Disk for Files {
    type File = File;

    fn create(&mut self, path: &Path) -> io::Result<File> {
        self.remove(path)?;
        OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(path)
    }

    fn write_at(&mut self, file: &File, data: &[u8], offset: u64) -> io::Result<()> {
        file.write_all_at(data, offset)
    }

    fn sync(&mut self, file: &File) -> io::Result<()> {
        file.sync_data()
    }

    fn sync_dir(&mut self, path: &Path) -> io::Result<()> {
        File::open(path)?.sync_all()
    }

    fn truncate(&mut self, file: &File, length: u64) -> io::Result<()> {
        file.set_len(length)
    }

    fn remove(&mut self, path: &Path) -> io::Result<()> {
        match std::fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }
}

/// One payload to append.
#[derive(Clone, Copy, Debug)]
pub struct Record<'a> {
    pub signal: u8,
    pub received_ns: u64,
    pub digest: &'a [u8; 16],
    pub tenant: &'a str,
    pub peer: &'a str,
    pub body: &'a [u8],
}

/// Where a group lies: the segment's first position, the position of the first record, and where each body begins.
#[derive(Debug, PartialEq, Eq)]
pub struct Placed {
    pub segment: u64,
    pub position: u64,
    pub offsets: Vec<u64>,
    pub end: u64,
}

struct Segment<F> {
    file: F,
    first: u64,
    end: u64,
    /// The file's length: zeros lie between `end` and here.
    length: u64,
}

/// Appends groups of records. One thread has it.
pub struct Writer<D: Disk> {
    disk: D,
    directory: PathBuf,
    segment_bytes: u64,
    next: u64,
    segment: Option<Segment<D::File>>,
    buffer: Vec<u8>,
}

impl<D: Disk> Writer<D> {
    /// `next` is the position of the first record; it begins a segment file of its own.
    pub fn new(disk: D, directory: PathBuf, segment_bytes: u64, next: u64) -> Self {
        Self { disk, directory, segment_bytes, next, segment: None, buffer: Vec::new() }
    }

    /// Makes records durable, or none of them; their positions are used up either way.
    pub fn append(&mut self, records: &[Record<'_>], log_ns: u64) -> io::Result<Placed> {
        let position = self.next;
        self.next += records.len() as u64;
        let mut segment = match self.segment.take() {
            Some(segment) if segment.end < self.segment_bytes => segment,
            _ => self.start(position)?,
        };
        self.buffer.clear();
        let mut offsets = Vec::with_capacity(records.len());
        for (number, record) in (position..).zip(records) {
            let body_at = encode(&mut self.buffer, number, record, log_ns);
            offsets.push(segment.end + body_at as u64);
        }
        let end = segment.end + self.buffer.len() as u64;
        if end > segment.length && end - segment.end <= SMALL {
            let ahead = AHEAD.min(self.segment_bytes.saturating_sub(end));
            self.buffer.resize(self.buffer.len() + ahead as usize, 0);
        }
        let length = segment.length.max(segment.end + self.buffer.len() as u64);
        let written = self.disk.write_at(&segment.file, &self.buffer, segment.end);
        let synced = written.and_then(|()| self.disk.sync(&segment.file));
        if self.buffer.capacity() > BUFFER {
            self.buffer = Vec::new();
        }
        if let Err(error) = synced {
            // The segment is sealed: it is not put back. What may have reached it must not be read as acknowledged.
            let cut = self.disk.truncate(&segment.file, segment.end);
            if segment.end == HEADER_BYTES && cut.is_ok() {
                self.drop_file(segment.first);
            }
            return Err(error);
        }
        (segment.end, segment.length) = (end, length);
        let placed = Placed { segment: segment.first, position, offsets, end: segment.end };
        self.segment = Some(segment);
        Ok(placed)
    }

    fn path(&self, first: u64) -> PathBuf {
        self.directory.join(format!("{first:020}.seg"))
    }

    /// Removes a file that holds no record, so that a full disk does not fill with them. One that stays is harmless.
    fn drop_file(&mut self, first: u64) {
        drop(self.disk.remove(&self.path(first)));
    }

    fn start(&mut self, first: u64) -> io::Result<Segment<D::File>> {
        let started = self.create(first);
        if started.is_err() {
            self.drop_file(first);
        }
        started
    }

    fn create(&mut self, first: u64) -> io::Result<Segment<D::File>> {
        let file = self.disk.create(&self.path(first))?;
        let mut header = [0; HEADER_BYTES as usize];
        header[..8].copy_from_slice(b"EIGSEG01");
        header[8..16].copy_from_slice(&first.to_le_bytes());
        let crc = crc32fast::hash(&header[..16]);
        header[16..20].copy_from_slice(&crc.to_le_bytes());
        self.disk.write_at(&file, &header, 0)?;
        self.disk.sync(&file)?;
        self.disk.sync_dir(&self.directory)?;
        Ok(Segment { file, first, end: HEADER_BYTES, length: HEADER_BYTES })
    }
}

impl<D: Disk> Drop for Writer<D> {
    /// Cuts off the zeros that nothing overwrote. Where that fails the readers do it: zeros are the end of a segment.
    fn drop(&mut self) {
        if let Some(segment) = self.segment.take().filter(|segment| segment.end < segment.length) {
            drop(self.disk.truncate(&segment.file, segment.end));
        }
    }
}

/// Appends one record to `out` and returns where in `out` its body begins.
fn encode(out: &mut Vec<u8>, position: u64, record: &Record<'_>, log_ns: u64) -> usize {
    let start = out.len();
    let meta = record.tenant.len() + 1 + record.peer.len();
    out.reserve(HEAD + meta + record.body.len());
    out.extend([0; 4]);
    out.extend((record.body.len() as u32).to_le_bytes());
    for number in [position, record.received_ns, log_ns] {
        out.extend(number.to_le_bytes());
    }
    out.extend([record.signal, 0]);
    out.extend((meta as u16).to_le_bytes());
    out.extend(record.digest);
    out.extend_from_slice(record.tenant.as_bytes());
    out.push(0);
    out.extend_from_slice(record.peer.as_bytes());
    let body_at = out.len();
    out.extend_from_slice(record.body);
    let crc = crc32fast::hash(&out[start + 4..]);
    out[start..start + 4].copy_from_slice(&crc.to_le_bytes());
    body_at
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::RefCell;
    use std::collections::BTreeMap;
    use std::sync::{Arc, Mutex};

    /// Files in memory; the calls whose numbers are in `fail` fail.
    #[derive(Default)]
    struct Memory {
        files: Arc<Mutex<BTreeMap<String, Vec<u8>>>>,
        fail: Vec<usize>,
        calls: RefCell<usize>,
    }

    impl Memory {
        fn call(&self) -> io::Result<()> {
            *self.calls.borrow_mut() += 1;
            match self.fail.contains(&*self.calls.borrow()) {
                true => Err(io::Error::other("no space")),
                false => Ok(()),
            }
        }
    }

    impl Disk for Memory {
        type File = String;

        fn create(&mut self, path: &Path) -> io::Result<String> {
            self.call()?;
            let name = path.file_name().expect("a name").to_string_lossy().into_owned();
            self.files.lock().expect("files").insert(name.clone(), Vec::new());
            Ok(name)
        }

        fn write_at(&mut self, file: &String, data: &[u8], offset: u64) -> io::Result<()> {
            let mut files = self.files.lock().expect("files");
            let bytes = files.get_mut(file).expect("created");
            let end = offset as usize + data.len();
            bytes.resize(bytes.len().max(end), 0);
            bytes[offset as usize..end].copy_from_slice(data);
            self.call()
        }

        fn sync(&mut self, _: &String) -> io::Result<()> {
            self.call()
        }

        fn sync_dir(&mut self, _: &Path) -> io::Result<()> {
            self.call()
        }

        fn truncate(&mut self, file: &String, length: u64) -> io::Result<()> {
            self.files.lock().expect("files").get_mut(file).expect("created").truncate(length as usize);
            Ok(())
        }

        fn remove(&mut self, path: &Path) -> io::Result<()> {
            self.files.lock().expect("files").remove(&path.file_name().expect("a name").to_string_lossy().into_owned());
            Ok(())
        }
    }

    const BODY: Record<'_> =
        Record { signal: 0, received_ns: 7, digest: &[9; 16], tenant: "", peer: "me", body: b"body" };

    /// Header, and a record whose meta is three bytes long.
    const ONE: u64 = HEADER_BYTES + HEAD as u64 + 3 + 4;

    #[test]
    fn a_full_segment_is_followed_by_another() {
        let disk = Memory::default();
        let files = Arc::clone(&disk.files);
        let mut writer = Writer::new(disk, PathBuf::new(), ONE, 5);
        let first = writer.append(&[BODY], 1).expect("room");
        assert_eq!(first, Placed { segment: 5, position: 5, offsets: vec![ONE - 4], end: ONE });
        assert_eq!(writer.append(&[BODY, BODY], 2).expect("room").segment, 6);
        assert_eq!(writer.append(&[BODY], 2).expect("room").position, 8);
        let sizes: Vec<_> = files.lock().expect("files").values().map(|bytes| bytes.len() as u64).collect();
        assert_eq!(sizes, [ONE, 2 * ONE - HEADER_BYTES, ONE]);
    }

    #[test]
    fn a_failed_group_is_cut_back_and_its_positions_are_gone() {
        for fail in [1, 2, 3, 4, 5, 6, 7, 8] {
            let disk = Memory { fail: vec![fail], ..Memory::default() };
            let files = Arc::clone(&disk.files);
            let mut writer = Writer::new(disk, PathBuf::new(), 1 << 20, 1);
            let outcomes: Vec<_> = (0..3).map(|_| writer.append(&[BODY], 1).map(|p| (p.segment, p.position))).collect();
            drop(writer);
            assert_eq!(outcomes.iter().filter(|outcome| outcome.is_err()).count(), 1, "call {fail}");
            let held: u64 = files.lock().expect("files").values().map(|b| (b.len() as u64).saturating_sub(32)).sum();
            assert_eq!(held, 2 * (ONE - HEADER_BYTES), "call {fail}");
            let empty =
                files.lock().expect("files").values().filter(|bytes| bytes.len() as u64 <= HEADER_BYTES).count();
            assert_eq!(empty, 0, "call {fail}");
            assert_eq!(outcomes.last().map(|outcome| outcome.as_ref().ok().map(|o| o.1)), Some(Some(3)), "call {fail}");
        }
    }

    #[test]
    fn most_groups_overwrite_zeros_and_the_rest_of_them_is_cut_off() {
        let disk = Memory::default();
        let files = Arc::clone(&disk.files);
        let length = || files.lock().expect("files").values().map(Vec::len).sum::<usize>() as u64;
        let mut writer = Writer::new(disk, PathBuf::new(), 2 * AHEAD, 1);
        let first = writer.append(&[BODY], 1).expect("room").end;
        assert_eq!((first, length()), (ONE, ONE + AHEAD));
        let second = writer.append(&[BODY], 1).expect("room").end;
        assert_eq!((second, length()), (2 * ONE - HEADER_BYTES, ONE + AHEAD));
        let large = vec![7; AHEAD as usize];
        let third = writer.append(&[Record { body: &large, ..BODY }], 1).expect("room").end;
        assert_eq!(length(), third, "a large group brings none");
        let fourth = writer.append(&[BODY], 1).expect("room").end;
        assert_eq!(length(), 2 * AHEAD, "none lie where no group may begin");
        drop(writer);
        assert_eq!(length(), fourth);
    }
}
