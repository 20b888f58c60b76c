//! Rules of archives and compressed streams.

rules! {
    SLIP = "archive-leaves-its-folder", High, "a member would be written outside of the folder that the archive is unpacked into, or is no file", "refuse the archive; nothing in a model needs it";
    BOMB = "archive-bomb", High, "little becomes so much that it fills memory or disk of whoever unpacks it", "refuse the archive";
    TWO_READINGS = "archive-two-readings", High, "the archive's records disagree, so that two programs see two archives: one is looked at, the other loaded", "refuse the archive, or pack its files again";
    ODD = "archive-odd", None, "a record of the archive is not what it should be, and readers differ in what they make of it", "pack its files again with an ordinary program";
    MEMBER_UNREAD = "archive-member-unread", None, "a member that could not be unpacked, and so was not looked into", "pack it in an ordinary way, or look at it by hand";
}
