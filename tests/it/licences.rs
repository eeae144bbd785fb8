//! The licence rules, by property: what is not licensed is denied, and no patron is admitted by what is not known.
use proptest::prelude::*;
use vestibule::domain::{
    AgeClass, Code, Date, Denial, LibraryId, Licence, Standing, State, Terms, Timestamp, VendorId, decide,
};

fn day(n: i64) -> Date {
    Timestamp::from_seconds(n * 86_400).date()
}

fn code(n: u8) -> Code {
    Code::parse(["ADULT", "JUV", "STAFF"][usize::from(n % 3)]).unwrap()
}

fn age(n: u8) -> AgeClass {
    [AgeClass::Adult, AgeClass::Teen, AgeClass::Juvenile, AgeClass::Unknown][usize::from(n % 4)]
}

fn state(n: u8) -> State {
    [State::Good, State::Expired, State::Blocked][usize::from(n % 3)]
}

prop_compose! {
    fn standing()(s in 0..3u8, c in proptest::option::of(0..3u8), b in proptest::option::of(0..3u8), a in 0..4u8,
                  e in proptest::option::of(20_000..20_020i64)) -> Standing {
        Standing { state: state(s), borrower_class: c.map(code), branch: b.map(code), age: age(a), expires: e.map(day) }
    }
}

prop_compose! {
    fn terms()(c in proptest::collection::vec(0..3u8, 0..3), x in proptest::collection::vec(0..3u8, 0..2),
               b in proptest::collection::vec(0..3u8, 0..3), a in proptest::collection::vec(0..4u8, 0..3),
               s in proptest::collection::vec(0..3u8, 1..3), f in proptest::option::of(20_000..20_020i64),
               u in proptest::option::of(20_000..20_020i64)) -> Terms {
        Terms {
            borrower_classes: c.into_iter().map(code).collect(),
            except_borrower_classes: x.into_iter().map(code).collect(),
            branches: b.into_iter().map(code).collect(),
            ages: a.into_iter().map(age).collect(),
            states: s.into_iter().map(state).collect(),
            from: f.map(day),
            until: u.map(day),
        }
    }
}

/// The rule in other words: a second opinion for the property test.
fn fits(t: &Terms, s: &Standing, today: Date) -> bool {
    let listed =
        |list: &[Code], value: &Option<Code>| list.is_empty() || list.iter().any(|c| Some(c) == value.as_ref());
    let expired = s.expires.is_some_and(|last| last < today);
    let now = if s.state == State::Good && expired { State::Expired } else { s.state };
    [
        t.from.is_none_or(|f| f <= today) && t.until.is_none_or(|u| u >= today),
        listed(&t.borrower_classes, &s.borrower_class),
        t.except_borrower_classes.is_empty()
            || s.borrower_class.as_ref().is_some_and(|c| !t.except_borrower_classes.contains(c)),
        listed(&t.branches, &s.branch),
        t.ages.is_empty() || t.ages.contains(&s.age),
        t.states.contains(&now),
    ]
    .into_iter()
    .all(|condition| condition)
}

proptest! {
    #[test]
    fn one_fitting_licence_admits_and_nothing_else_does(
        all in proptest::collection::vec((0..2u8, 0..2u8, terms()), 0..5), s in standing(), today in 20_000..20_020i64,
    ) {
        let (here, there) = (LibraryId::parse("here").unwrap(), LibraryId::parse("there").unwrap());
        let (atlas, press) = (VendorId::parse("atlas").unwrap(), VendorId::parse("press").unwrap());
        let licences: Vec<Licence> = all.iter().map(|(l, v, terms)| Licence {
            library: if *l == 0 { here.clone() } else { there.clone() },
            vendor: if *v == 0 { atlas.clone() } else { press.clone() },
            terms: terms.clone(),
        }).collect();
        let today = day(today);
        let expected = all.iter().any(|(l, v, t)| *l == 0 && *v == 0 && fits(t, &s, today));
        let decided = decide(&licences, (&here, &atlas), &s, today);
        prop_assert_eq!(decided.is_ok(), expected);
        if let Ok(entitlement) = decided {
            prop_assert_eq!((entitlement.library(), entitlement.vendor()), (&here, &atlas));
        }
    }

    #[test]
    fn without_a_licence_everyone_is_denied(s in standing(), today in 20_000..20_020i64) {
        let (here, atlas) = (LibraryId::parse("here").unwrap(), VendorId::parse("atlas").unwrap());
        prop_assert_eq!(decide(&[], (&here, &atlas), &s, day(today)), Err(Denial::NoLicence));
    }
}
