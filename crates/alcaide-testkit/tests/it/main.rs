//! Proves the test kit itself: public clients accept its model server, and every failure that a script asks for is
//! seen on the wire.

#[cfg(test)]
mod clients;
#[cfg(test)]
mod readers;
#[cfg(test)]
mod tools;
#[cfg(test)]
mod wire;
