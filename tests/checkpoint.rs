//! What comes back from a checkpoint is what was saved, or an error: never a panic, a wild allocation or wrong numbers.

use hornpipe::checkpoint::{Array, Checkpoint, CheckpointError, Dtype, MAX_NAME, MAX_RANK, VERSION};
use proptest::prelude::*;
use std::fs;
use std::path::Path;

type Result<T = ()> = std::result::Result<T, Box<dyn std::error::Error>>;

fn small() -> Checkpoint {
    let mut checkpoint = Checkpoint::new(r#"{"seed":1}"#);
    let arrays = [
        Array::from_f32("w", &[2, 3], &[1.0, -0.0, f32::MIN_POSITIVE, f32::NAN, f32::INFINITY, 0.1]),
        Array::from_f64("loss", &[], &[0.1 + 0.2]),
        Array::from_u32("tokens", &[3], &[0, 92, u32::MAX]),
        Array::from_u64("step", &[1], &[u64::MAX]),
        Array::from_u8("text", &[4], b"X:1\n"),
        Array::from_f32("empty", &[0, 7], &[]),
    ];
    for array in arrays {
        checkpoint.push(array.unwrap()).unwrap();
    }
    checkpoint
}

/// A file with a right header around any payload.
fn sealed(version: u32, payload: &[u8]) -> Vec<u8> {
    let mut file = b"HORNPIPE".to_vec();
    file.extend(version.to_le_bytes());
    file.extend((payload.len() as u64).to_le_bytes());
    let mut crc = crc32fast::Hasher::new();
    crc.update(&file);
    crc.update(payload);
    file.extend(crc.finalize().to_le_bytes());
    file.extend(payload);
    file
}

/// A payload of one array, from its parts as they stand in the file.
fn one_array(count: u64, dtype: u8, shape: &[u64], length: u64, bytes: &[u8]) -> Vec<u8> {
    let mut payload = vec![2, 0, 0, 0, 0, 0, 0, 0, b'{', b'}'];
    payload.extend(count.to_le_bytes());
    payload.extend([1, 0, 0, 0, 0, 0, 0, 0, b'w', dtype]);
    payload.extend((shape.len() as u64).to_le_bytes());
    payload.extend(shape.iter().flat_map(|d| d.to_le_bytes()));
    payload.extend(length.to_le_bytes());
    payload.extend(bytes);
    payload
}

fn message(bytes: &[u8]) -> String {
    Checkpoint::from_bytes(bytes).expect_err("refused").to_string()
}

#[test]
fn everything_comes_back_to_the_bit() -> Result {
    let saved = small();
    let loaded = Checkpoint::from_bytes(&saved.to_bytes())?;
    assert_eq!(loaded.to_bytes(), saved.to_bytes());
    assert_eq!(loaded.config, saved.config);
    let bits = |c: &Checkpoint| -> Result<Vec<u32>> {
        Ok(c.f32s("w", &[2, 3])?.iter().map(|w| w.to_bits()).collect())
    };
    assert_eq!(bits(&loaded)?, bits(&saved)?);
    assert_eq!(loaded.f64s("loss", &[])?, [0.1 + 0.2]);
    assert_eq!(loaded.u32s("tokens", &[3])?, [0, 92, u32::MAX]);
    assert_eq!(loaded.u64s("step", &[1])?, [u64::MAX]);
    assert_eq!(loaded.u8s("text", &[4])?, b"X:1\n");
    assert!(loaded.f32s("empty", &[0, 7])?.is_empty());
    let names: Vec<_> = loaded.arrays().iter().map(Array::name).collect();
    assert_eq!(names, ["w", "loss", "tokens", "step", "text", "empty"]);
    Ok(())
}

#[test]
fn version_1_is_these_bytes_for_ever() -> Result {
    let file = sealed(1, &one_array(1, 0, &[2], 8, &[0, 0, 128, 63, 0, 0, 0, 192]));
    let mut expected = Checkpoint::new("{}");
    expected.push(Array::from_f32("w", &[2], &[1.0, -2.0])?)?;
    assert_eq!(Checkpoint::from_bytes(&file)?, expected);
    assert_eq!(expected.to_bytes(), file);
    // A number computed elsewhere, so that header and test cannot err together.
    assert_eq!(file[20..24], 0x6e9c0190_u32.to_le_bytes());
    Ok(())
}

#[test]
fn every_change_of_one_byte_is_refused() {
    let file = small().to_bytes();
    for at in 0..file.len() {
        for flip in 1..=255 {
            let mut changed = file.clone();
            changed[at] ^= flip;
            assert!(Checkpoint::from_bytes(&changed).is_err(), "byte {at} ^ {flip}");
        }
    }
}

#[test]
fn every_truncation_and_every_addition_is_refused() {
    let mut file = small().to_bytes();
    for length in 0..file.len() {
        assert!(Checkpoint::from_bytes(&file[..length]).is_err(), "{length} bytes");
    }
    file.push(0);
    assert!(Checkpoint::from_bytes(&file).is_err());
}

#[test]
fn a_refusal_says_what_to_do() {
    assert!(message(b"X:1\nT:A tune\n").contains("not a Hornpipe checkpoint"));
    assert!(message(b"").contains("not a Hornpipe checkpoint"));
    let newer = message(&sealed(VERSION + 1, b"who knows"));
    assert!(newer.contains("newer Hornpipe (format 2"), "{newer}");
    let file = small().to_bytes();
    assert!(message(&file[..file.len() - 3]).contains("damaged"));
    // A flipped version is damage, not news from the future.
    let mut changed = file;
    changed[8] ^= 2;
    assert!(message(&changed).contains("checksum"));
}

#[test]
fn hostile_payloads_are_refused_without_wild_allocations() {
    let eight = [0; 8];
    let good = one_array(1, 0, &[2], 8, &eight);
    assert!(Checkpoint::from_bytes(&sealed(1, &good)).is_ok());
    let long = u64::MAX;
    let hostile = [
        ("trailing bytes", [&good[..], &[0]].concat()),
        ("more arrays than there are", one_array(long, 0, &[2], 8, &eight)),
        ("arrays unread", one_array(0, 0, &[2], 8, &eight)),
        ("unknown type", one_array(1, 5, &[2], 8, &eight)),
        ("bytes beyond the end", one_array(1, 0, &[2], long, &eight)),
        ("2 GiB of bytes", one_array(1, 0, &[1 << 29], 1 << 31, &eight)),
        ("too few bytes for the shape", one_array(1, 0, &[3], 8, &eight)),
        ("a product that overflows", one_array(1, 0, &[1 << 62, 16], 0, &[])),
        ("an overflow to the right length", one_array(1, 0, &[(1 << 62) + 2], 8, &eight)),
        ("too many dimensions", one_array(1, 0, &[1; MAX_RANK + 1], 4, &eight[..4])),
        ("a shape without end", {
            let mut payload = good.clone();
            payload[28..36].copy_from_slice(&long.to_le_bytes());
            payload
        }),
        ("a config without end", long.to_le_bytes().to_vec()),
        ("a config that is not UTF-8", [&[1, 0, 0, 0, 0, 0, 0, 0, 0xff][..], &eight].concat()),
        ("the same name twice", [&one_array(2, 0, &[2], 8, &eight), &good[18..]].concat()),
        ("nothing", vec![]),
    ];
    for (what, payload) in hostile {
        let error = Checkpoint::from_bytes(&sealed(1, &payload)).expect_err(what);
        assert!(matches!(error, CheckpointError::Damaged(_)), "{what}: {error}");
    }
}

#[test]
fn the_wrong_name_type_or_shape_is_an_error_of_its_own() -> Result {
    let mut c = small();
    assert!(matches!(c.f32s("v", &[2]), Err(CheckpointError::Missing(_))));
    assert!(matches!(c.f64s("w", &[2, 3]), Err(CheckpointError::WrongDtype { .. })));
    assert!(matches!(c.f32s("w", &[3, 2]), Err(CheckpointError::WrongShape { .. })));
    let again = Array::from_u8("w", &[0], &[])?;
    assert!(matches!(c.push(again), Err(CheckpointError::Duplicate(_))));
    assert!(matches!(Array::from_f32("x", &[2], &[1.0]), Err(CheckpointError::WrongLength { .. })));
    let huge = Array::from_bytes("x", Dtype::F64, &[usize::MAX, 2], vec![]);
    assert!(matches!(huge, Err(CheckpointError::WrongLength { .. })));
    let name = "n".repeat(MAX_NAME);
    let mut longest = Checkpoint::new("");
    longest.push(Array::from_u8(&name, &[1; MAX_RANK], &[7])?)?;
    assert_eq!(Checkpoint::from_bytes(&longest.to_bytes())?, longest);
    let longer = Array::from_u8(&(name + "n"), &[0], &[]);
    assert!(matches!(longer, Err(CheckpointError::TooLong(_))));
    Ok(())
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        prop_assert!(Checkpoint::from_bytes(&bytes).is_err());
        // Behind a right header they reach the decoder.
        let _ = Checkpoint::from_bytes(&sealed(1, &bytes));
    }

    #[test]
    fn a_changed_payload_behind_a_right_header_never_panics(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
    ) {
        let mut payload = small().to_bytes().split_off(24);
        for (at, value) in changes {
            let at = at.index(payload.len());
            payload[at] = value;
        }
        // What is accepted must be what those bytes say.
        let file = sealed(1, &payload);
        if let Ok(checkpoint) = Checkpoint::from_bytes(&file) {
            prop_assert_eq!(checkpoint.to_bytes(), file);
        }
    }
}

fn names_in(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).unwrap();
    let mut names: Vec<_> = entries.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn a_save_replaces_the_file_and_leaves_nothing_beside_it() -> Result {
    let directory = tempfile::tempdir()?;
    let path = directory.path().join("run.hornpipe");
    Checkpoint::new("old").save(&path)?;
    // Left by a run that was killed: stepped over, never reused.
    let stale = format!(".hornpipe-{}-0.tmp", std::process::id());
    fs::write(directory.path().join(&stale), "half")?;
    small().save(&path)?;
    assert_eq!(Checkpoint::load(&path)?.to_bytes(), small().to_bytes());
    assert_eq!(names_in(directory.path()), [stale.as_str(), "run.hornpipe"]);
    Ok(())
}

#[test]
fn errors_of_files_name_the_file() -> Result {
    let directory = tempfile::tempdir()?;
    let nowhere = directory.path().join("missing").join("run.hornpipe");
    let error = small().save(&nowhere).unwrap_err().to_string();
    assert!(error.contains("run.hornpipe") && error.contains("cannot write"), "{error}");
    let error = Checkpoint::load(&nowhere).unwrap_err().to_string();
    assert!(error.contains("run.hornpipe") && error.contains("cannot read"), "{error}");

    let tune = directory.path().join("tune.abc");
    fs::write(&tune, "X:1\n")?;
    let error = Checkpoint::load(&tune).unwrap_err().to_string();
    assert!(error.contains("tune.abc: this is not a Hornpipe checkpoint"), "{error}");

    // What has no end is not read to it.
    if cfg!(unix) {
        let error = Checkpoint::load(Path::new("/dev/zero")).unwrap_err().to_string();
        assert!(error.contains("not a Hornpipe checkpoint"), "{error}");
    }
    // A directory is not to be replaced, nor is a device.
    let error = small().save(directory.path()).unwrap_err().to_string();
    assert!(error.contains("not a regular file"), "{error}");
    assert_eq!(names_in(directory.path()), ["tune.abc"]);
    Ok(())
}

/// A limit on the size of files stands in for a full disk: both let the first bytes through and refuse the rest. The test runs
/// itself again under a shell that sets the limit, and in which the signal that comes with it is ignored.
#[cfg(unix)]
#[test]
fn a_full_disk_leaves_the_old_checkpoint() -> Result {
    const TARGET: &str = "HORNPIPE_TEST_FULL_DISK";
    if let Ok(path) = std::env::var(TARGET) {
        let mut large = small();
        large.push(Array::from_u8("large", &[1 << 20], &[1; 1 << 20])?)?;
        let error = large.save(Path::new(&path)).expect_err("the limit holds");
        assert!(matches!(error, CheckpointError::Write { .. }), "{error}");
        assert!(error.to_string().contains("run.hornpipe"), "{error}");
        return Ok(());
    }
    let directory = tempfile::tempdir()?;
    let path = directory.path().join("run.hornpipe");
    small().save(&path)?;
    let output = std::process::Command::new("sh")
        .args(["-c", r#"trap '' XFSZ; ulimit -f 64; exec "$0" --exact "$1" --nocapture"#])
        .arg(std::env::current_exe()?)
        .arg("a_full_disk_leaves_the_old_checkpoint")
        .env(TARGET, &path)
        .output()?;
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.contains("1 passed"), "{output:?}");
    assert_eq!(Checkpoint::load(&path)?.to_bytes(), small().to_bytes());
    assert_eq!(names_in(directory.path()), ["run.hornpipe"]);
    Ok(())
}
