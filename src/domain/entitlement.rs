//! The decision: may a patron of this standing use this vendor today? One pure function; what is not allowed is denied.
use super::{Date, LibraryId, Licence, Standing, Terms, VendorId};

/// Proof that a library's licence admits a patron to a vendor. Only [`decide`] makes one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entitlement {
    library: LibraryId,
    vendor: VendorId,
}

impl Entitlement {
    /// The library whose licence admits.
    #[must_use]
    pub const fn library(&self) -> &LibraryId {
        &self.library
    }

    /// The vendor to whom it admits.
    #[must_use]
    pub const fn vendor(&self) -> &VendorId {
        &self.vendor
    }
}

/// Why a patron may not use a vendor. Ordered: the later a reason stands here, the nearer the patron came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Denial {
    /// The library has no licence for this vendor.
    NoLicence,
    /// The licence has not begun or is over.
    OutOfTerm,
    /// The licence is for other borrower classes.
    BorrowerClass,
    /// The licence is for other branches.
    Branch,
    /// The licence is for other ages.
    Age,
    /// The licence does not admit a card in this state.
    Standing,
}

impl Denial {
    /// The metric label.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NoLicence => "no_licence",
            Self::OutOfTerm => "out_of_term",
            Self::BorrowerClass => "borrower_class",
            Self::Branch => "branch",
            Self::Age => "age",
            Self::Standing => "standing",
        }
    }
}

/// Decides whether a patron of `library` with `standing` may use `vendor` on `today`. Any one licence suffices.
///
/// # Errors
/// The [`Denial`] of the licence that came nearest, or [`Denial::NoLicence`].
pub fn decide(
    licences: &[Licence],
    (library, vendor): (&LibraryId, &VendorId),
    standing: &Standing,
    today: Date,
) -> Result<Entitlement, Denial> {
    let mut nearest = Denial::NoLicence;
    for licence in licences.iter().filter(|l| l.library == *library && l.vendor == *vendor) {
        match denial(&licence.terms, standing, today) {
            None => return Ok(Entitlement { library: library.clone(), vendor: vendor.clone() }),
            Some(why) => nearest = nearest.max(why),
        }
    }
    Err(nearest)
}

fn denial(terms: &Terms, standing: &Standing, today: Date) -> Option<Denial> {
    let begun = terms.from.is_none_or(|day| day <= today);
    let running = terms.until.is_none_or(|day| today <= day);
    let class = standing.borrower_class.as_ref();
    let class_fits = admits(&terms.borrower_classes, class)
        && !class.is_some_and(|c| terms.except_borrower_classes.contains(c))
        // A licence with exceptions needs to know the class: what is not known may be the exception.
        && (class.is_some() || terms.except_borrower_classes.is_empty());
    if !(begun && running) {
        Some(Denial::OutOfTerm)
    } else if !class_fits {
        Some(Denial::BorrowerClass)
    } else if !admits(&terms.branches, standing.branch.as_ref()) {
        Some(Denial::Branch)
    } else if !admits(&terms.ages, Some(&standing.age)) {
        Some(Denial::Age)
    } else if !terms.states.contains(&standing.state_on(today)) {
        Some(Denial::Standing)
    } else {
        None
    }
}

/// An empty list admits anyone; a list admits only what it names, never what is not known.
fn admits<T: PartialEq>(list: &[T], value: Option<&T>) -> bool {
    list.is_empty() || value.is_some_and(|v| list.contains(v))
}
