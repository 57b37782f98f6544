//! The files of an index: their names, locks, checksums, and how they are replaced.
//!
//! # Platforms
//! Linux on x86-64 is tested. What follows is written for the others, and has been neither compiled nor run there:
//!
//! | | Linux, macOS | Windows | where |
//! |---|---|---|---|
//! | removing a file that is mapped or open | its bytes stay until the last map goes | refused while it is mapped: it stays, and the next writer tries again | [`change`] |
//! | renaming over a file | in one step | in one step; refused while somebody has it open, so it is tried again for a second | [`change`] |
//! | renaming a folder | files in it may be open | refused while a file in it is open: close the index that is to be replaced | [`change`] |
//! | exchanging two folders | in one step (`renameat2`, `renameatx_np`), where the file system can | in two steps: killed between them, the place is empty and the old folder is aside | [`exchange`] |
//! | locks (`flock`, `LockFileEx`) | advisory; lost with the process | binding, for lock files alone, which hold nothing | [`directory`] |
//! | syncing a folder | makes its names durable (on macOS up to the cache of the disk) | not done: names may be lost with the power | [`directory`] |
//! | opening without following a link or waiting for a pipe | `O_NOFOLLOW`, `O_NONBLOCK` | the kind of the file is looked at before and after, so that a link put there between the two is followed | [`names`] |
//! | telling a folder from another one in its place | device and number | time of making alone: two folders of one moment count as the same | `index::dir` |
//! | telling a lock file from another one in its place | device and number | whether there is one | `index::build` |
//! | modes of new files and folders | as the umask says | those of the parent folder | [`directory`] |
//!
//! To do there: compile, run `.ci/run`, then the slow checks `kills` and `readers` of the `justfile`. On Windows the tests with
//! links, pipes and signals are left out, and a test of [`exchange`] in two steps stands for what happens there.

pub(crate) mod change;
pub(crate) mod directory;
pub(crate) mod documents;
pub(crate) mod exchange;
pub(crate) mod guarded;
pub(crate) mod names;
pub(crate) mod sorted;
pub(crate) mod sound;
