//! The file tree: text files by absolute path. Folders are there as long as something is in them.

use std::collections::BTreeMap;

use super::{Change, World, WorldError};

/// Most files.
const FILES_MAX: usize = 500;
/// Longest path, in bytes.
pub(crate) const PATH_BYTES_MAX: usize = 200;

#[derive(Clone, Debug)]
pub(super) struct Files {
    by_path: BTreeMap<String, String>,
}

impl Files {
    pub(super) fn new(files: impl IntoIterator<Item = (String, String)>) -> Self {
        Self { by_path: files.into_iter().collect() }
    }

    /// Whether something lies below this path.
    fn is_folder(&self, path: &str) -> bool {
        let below = format!("{}/", path.trim_end_matches('/'));
        self.by_path.range(below.clone()..).next().is_some_and(|(found, _)| found.starts_with(&below))
    }

    /// Whether the path lies below a file.
    fn is_below_file(&self, path: &str) -> bool {
        path.match_indices('/')
            .skip(1)
            .any(|(at, _)| path.get(..at).is_some_and(|parent| self.by_path.contains_key(parent)))
    }
}

impl World {
    /// Paths of all files at or below a folder, with their bytes, in their order; `/` is the whole tree.
    ///
    /// # Errors
    /// [`WorldError::BadPath`], [`WorldError::NoFolder`].
    pub fn files(&self, folder: &str) -> Result<Vec<(&str, usize)>, WorldError> {
        let below = match folder {
            "/" => "/".to_owned(),
            _ => format!("{}/", checked(folder)?),
        };
        let all = self.files.by_path.range(below.clone()..).take_while(|(path, _)| path.starts_with(&below));
        let found: Vec<_> = all.map(|(path, text)| (path.as_str(), text.len())).collect();
        if found.is_empty() { Err(WorldError::NoFolder(folder.to_owned())) } else { Ok(found) }
    }

    /// The text of a file.
    ///
    /// # Errors
    /// [`WorldError::BadPath`], [`WorldError::NoFile`].
    pub fn file(&self, path: &str) -> Result<&str, WorldError> {
        let text = self.files.by_path.get(checked(path)?);
        text.map(String::as_str).ok_or_else(|| WorldError::NoFile(path.to_owned()))
    }

    /// Writes a file; tells whether it took the place of another.
    ///
    /// # Errors
    /// [`WorldError::BadPath`], [`WorldError::FileThere`] without `overwrite`, [`WorldError::FolderThere`],
    /// [`WorldError::Full`].
    pub fn write_file(&mut self, path: &str, text: &str, overwrite: bool) -> Result<bool, WorldError> {
        checked(path)?;
        let replaced = self.files.by_path.contains_key(path);
        if replaced && !overwrite {
            return Err(WorldError::FileThere(path.to_owned()));
        }
        if self.files.is_folder(path) || self.files.is_below_file(path) {
            return Err(WorldError::FolderThere(path.to_owned()));
        }
        if !replaced && self.files.by_path.len() >= FILES_MAX {
            return Err(WorldError::Full("files"));
        }
        self.room()?;
        self.files.by_path.insert(path.to_owned(), text.to_owned());
        self.note(Change::FileWritten { path: path.to_owned(), text: text.to_owned(), replaced });
        Ok(replaced)
    }

    /// Lines that hold a text, as path, number of the line from 1, and line; case does not count.
    ///
    /// # Errors
    /// [`WorldError::BadPath`], [`WorldError::NoFolder`].
    pub fn search_files(&self, folder: &str, text: &str) -> Result<Vec<(&str, usize, &str)>, WorldError> {
        let wanted = text.to_lowercase();
        let mut found = Vec::new();
        for (path, _) in self.files(folder)? {
            let lines = self.files.by_path.get(path).map(String::as_str).unwrap_or_default().lines();
            found.extend(lines.zip(1..).filter_map(|(line, number)| {
                line.to_lowercase().contains(&wanted).then_some((path, number, line))
            }));
        }
        Ok(found)
    }
}

/// A path that every reader understands alike.
fn checked(path: &str) -> Result<&str, WorldError> {
    let fine = path.len() <= PATH_BYTES_MAX
        && path.strip_prefix('/').is_some_and(|rest| {
            rest.split('/').all(|part| {
                !part.is_empty()
                    && part != "."
                    && part != ".."
                    && !part.chars().any(|letter| letter.is_control() || letter == '\\')
            })
        });
    if fine { Ok(path) } else { Err(WorldError::BadPath(path.chars().take(80).collect())) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_read() {
        let mut world = World::new();
        assert_eq!(world.write_file("/notes/new.txt", "one\ntwo", false), Ok(false));
        assert_eq!(world.file("/notes/new.txt"), Ok("one\ntwo"));
        assert_eq!(world.search_files("/notes", "TWO"), Ok(vec![("/notes/new.txt", 2, "two")]));
        assert!(matches!(world.write_file("/notes/new.txt", "x", false), Err(WorldError::FileThere(_))));
        assert_eq!(world.write_file("/notes/new.txt", "x", true), Ok(true));
        assert!(matches!(&world.effects()[1].change, Change::FileWritten { replaced: true, .. }));
    }

    #[test]
    fn paths_do_not_climb() {
        let mut world = World::new();
        for bad in ["", "/", "notes", "/notes/", "//notes", "/a/../b", "/./a", "/a\\b", "/a\n", "/.."] {
            assert!(matches!(world.file(bad), Err(WorldError::BadPath(_))), "{bad}");
            assert!(matches!(world.write_file(bad, "", true), Err(WorldError::BadPath(_))), "{bad}");
        }
        let long = |letters: usize| format!("/{}", "a".repeat(letters));
        assert!(world.write_file(&long(PATH_BYTES_MAX - 1), "", false).is_ok());
        assert!(world.write_file(&long(PATH_BYTES_MAX), "", false).is_err());
    }

    #[test]
    fn a_file_is_no_folder() {
        let mut world = World::new();
        assert!(matches!(world.write_file("/finance", "", true), Err(WorldError::FolderThere(_))));
        assert!(matches!(world.write_file("/readme.md/x", "", true), Err(WorldError::FolderThere(_))));
        assert!(world.effects().is_empty());
        assert!(world.files("/").unwrap().len() > 5);
        assert!(matches!(world.files("/fin"), Err(WorldError::NoFolder(_))));
    }

    #[test]
    fn the_tree_is_bounded() {
        let mut world = World::new();
        let free = FILES_MAX - world.files("/").unwrap().len();
        for number in 0..free {
            world.write_file(&format!("/many/{number}"), "", false).unwrap();
        }
        assert_eq!(world.write_file("/many/last", "", false), Err(WorldError::Full("files")));
        assert_eq!(world.write_file("/many/0", "", true), Ok(true));
    }
}
