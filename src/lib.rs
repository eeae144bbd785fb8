//! Vestibule, the entrance hall between a library and the vendors it licenses. A patron walks in with a library card; the
//! card stays in the hall; what goes through the far door is one sentence: "an entitled reader of this library".
//!
//! The product is a boundary, so the tree of folders is that boundary. Each folder is a room, and a test walks every `use`
//! to see that doors lead only where the table in `tests/it/architecture.rs` says.
//!
//! # Tenets, in this order
//! 1. **Private**: nothing about a person crosses to a vendor, a log, a metric or a disk. If in doubt, do not have it.
//! 2. **Correct**: standards to the letter; what is malformed is refused; nothing fails open.
//! 3. **Available**: the library's system or a vendor may be down; readers who are signed in go on reading.
//! 4. **Understandable**: one person can hold it in their head, and the compiler guards the walls.
//! 5. **Fast**: the cost of privacy is not to be noticed.
//!
//! # Words
//! | word | meaning |
//! |---|---|
//! | Library | one tenant; a consortium has several |
//! | Patron | whoever holds a card; pages say "reader" |
//! | ILS | the library's own system, which knows cards and PINs |
//! | Vendor | whoever sells what patrons read |
//! | Licence | what a library bought from a vendor, and for whom |
//! | Standing | coarse facts that the ILS gave: good, expired or blocked; borrower class; age class; home branch; last day |
//! | Entitlement | the decision that a licence admits a patron |
//! | Subject | the keyed name of a patron inside one library; never leaves |
//! | Pseudonym | the name of a patron at one vendor; may leave |
//! | Epoch | how long a vendor's pseudonyms last |
//! | Assertion | what a vendor is told |
//! | Session | what a sign-in left behind |
//! | Visit | one browser at one vendor's host, admitted |
//!
//! # Rooms, in reading order
//! [`domain`] holds the nouns and the pure rules: libraries, vendors, licences, standings and [`domain::decide`], which says
//! who may use what. No input or output, no person. The time and chance come in here as arguments.
//!
//! [`patron`] is the privacy boundary. [`patron::Credentials`] go in, and nobody outside can open them; a connector below
//! `patron/ils` asks the ILS and reduces its answer; [`patron::Gate`] gives a [`patron::Verified`] or a
//! [`patron::Refusal`], and neither says who the patron is. [`patron::Keyring`] makes the names that cannot be joined.
//!
//! [`store`] keeps opaque values for a while: a few verbs, in memory now. [`session`] seals what a sign-in left behind
//! before it is stored, and ties each vendor's host to it by a ticket that is good once.
//!
//! [`egress`] is the one crossing point. An [`egress::Assertion`] is made of a session and an entitlement and of nothing
//! else; an [`egress::OutboundRequest`] of an inbound one by allow-list; [`egress::Upstream`] is the only HTTP client that
//! reaches vendors. [`protocol`] puts the assertion into a vendor's words; it cannot name a patron.
//!
//! [`web`] has the pages for patrons: signing in and out, the list of resources, what vendors see. [`net`] listens, speaks
//! TLS and HTTP, and hands requests on without knowing what they are about. [`telemetry`] has a closed list of events, each
//! a log line or a metric or both, and the listener for IT.
//!
//! [`config`] reads the operator's file and tells every mistake at once. [`app`] puts everything together and replaces it on
//! reload; [`cli`] has one file for each command. [`demo`] is a make-believe library and vendors, which use nothing of the
//! product.
//!
//! [`manual`] has the chapters for those who run it, judge it or change it.
pub mod app;
pub mod cli;
pub mod config;
pub mod demo;
pub mod domain;
pub mod egress;
pub mod manual;
pub mod net;
pub mod patron;
pub mod protocol;
pub mod session;
pub mod store;
pub mod telemetry;
pub mod web;
