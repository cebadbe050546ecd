//! A folder of its own for each test, which goes with it.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tower_password_grant::ClientId;
use tower_password_grant::sqlite::SqliteStore;
use tower_password_grant::store::{FamilyId, RefreshFamily, SecretDigest};
use tower_password_grant::testing::RefreshTokenUse;

/// Memory, where the system offers enough of it as a file system: a commit on a disk costs more than what it writes, and no
/// test cuts the power. The tests of crashes have folders of their own, on the disk. `TMPDIR` chooses another place.
static PLACE: LazyLock<PathBuf> = LazyLock::new(|| {
    let mounts = fs::read_to_string("/proc/mounts").unwrap_or_default();
    let is_memory = env::var_os("TMPDIR").is_none() && mounts.lines().any(is_roomy_memory);
    if is_memory { PathBuf::from(MEMORY) } else { env::temp_dir() }
});

const MEMORY: &str = "/dev/shm";

/// Whether this line of the system's mounts is of memory with room for a gigabyte, for containers often have 64 MiB. A line
/// without a size means half of all memory.
fn is_roomy_memory(mount: &str) -> bool {
    let mut fields = mount.split(' ').skip(1);
    let (Some(MEMORY), Some("tmpfs"), Some(options)) = (fields.next(), fields.next(), fields.next()) else {
        return false;
    };
    let mut options = options.split(',');
    let size = options.clone().find_map(|option| option.strip_prefix("size=")?.strip_suffix('k'));
    options.any(|option| option == "rw") && size.is_none_or(|size| size.parse().is_ok_and(|kib: u64| kib >= 1 << 20))
}

pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let path = PLACE.join(format!("sqlite-store-{}-{number}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    pub(crate) fn file(&self) -> PathBuf {
        self.0.join("auth.db")
    }

    pub(crate) fn store(&self) -> SqliteStore {
        SqliteStore::open(self.file()).unwrap()
    }

    /// All bytes of the database and of the files beside it.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        fs::read_dir(&self.0).unwrap().flat_map(|entry| fs::read(entry.unwrap().path()).unwrap()).collect()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Seconds since a day of whole milliseconds.
pub(crate) fn at(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_800_000_000 + seconds)
}

pub(crate) fn digest(token: &str) -> SecretDigest {
    SecretDigest::of(token)
}

pub(crate) fn id(number: u8) -> FamilyId {
    FamilyId::from_bytes([number; 16])
}

pub(crate) fn family(number: u8) -> RefreshFamily {
    RefreshFamily::new(id(number), "user-17", ClientId::new("cli").unwrap(), at(0), at(100_000))
}

/// The use of a token of the first family at a second, with the successor of this name.
pub(crate) fn rotation(token: &str, successor: &str, seconds: u64) -> RefreshTokenUse {
    rotation_of(id(1), token, successor, seconds)
}

/// The same of another family.
pub(crate) fn rotation_of(family: FamilyId, token: &str, successor: &str, seconds: u64) -> RefreshTokenUse {
    RefreshTokenUse::new(family, digest(token), at(seconds))
        .with_successor(digest(successor), salt(successor))
        .with_leeway(Duration::from_secs(10))
        .with_idle_lifetime(Duration::from_secs(50_000))
}

/// The salt of a successor that has this name.
pub(crate) fn salt(successor: &str) -> [u8; 32] {
    let mut salt = [0; 32];
    salt[..successor.len()].copy_from_slice(successor.as_bytes());
    salt
}
