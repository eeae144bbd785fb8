//! The probe against good and bad library systems.
use super::given::{connector, credentials, settings};
use super::settings::Settings;
use super::stand_in::{Act, StandIn};
use super::tests::{given, good, toml};
use super::{Ils, Step};
use crate::patron::ils::Verdict;

async fn probe(settings: Settings, typed: Option<(&str, &str)>) -> Vec<Step> {
    let given = typed.map(|(card, pin)| credentials(card, pin));
    let mut steps = Vec::new();
    connector(settings).probe(given.as_ref(), &mut |step| steps.push(step)).await;
    steps
}

fn names(steps: &[Step]) -> Vec<&'static str> {
    steps.iter().map(|step| step.name).collect()
}

#[tokio::test]
async fn each_step_is_told_without_a_value() {
    let stand_in = StandIn::start(good).await;
    let steps = probe(settings(&toml(&stand_in, "preset = \"evergreen\"")), Some(("29999", "pin-29999"))).await;
    assert_eq!(names(&steps), ["connect", "TLS", "login", "status", "patron request"]);
    let last = steps.last().unwrap();
    assert_eq!(last.verdict, Verdict::Good);
    assert!(last.note.contains("used: AA, BL, CQ, XI; dropped unread: AO, AE"), "{}", last.note);
    assert!(last.note.contains("`tags.branch` names AQ, which did not come"), "{}", last.note);
    let all: String = steps.iter().map(|step| step.note.as_str()).collect();
    for value in ["29999", "Wilhelmina", "Person", "s3cret", "MAIN", "vestibule"] {
        assert!(!all.contains(value), "{value} was told");
    }
    let steps = probe(given(&stand_in), None).await;
    assert_eq!(names(&steps), ["connect", "TLS", "login", "status"]);
}

#[tokio::test]
async fn it_stops_where_it_fails() {
    let stand_in =
        StandIn::start(|l| if l.text.starts_with(b"93") { vec![Act::Send(l.reply(*b"94", "0", ""))] } else { good(l) })
            .await;
    let steps = probe(given(&stand_in), Some(("1", "1"))).await;
    assert_eq!(names(&steps), ["connect", "TLS", "login"]);
    assert_eq!(steps.last().unwrap().verdict, Verdict::Bad);
    let stand_in = StandIn::start(good).await;
    let steps = probe(given(&stand_in), Some(("1", "wrong"))).await;
    assert_eq!(steps.last().unwrap().note.split(';').next(), Some("the ILS says that the PIN is wrong"));
    let steps = probe(given(&stand_in), Some(("1", "a|b"))).await;
    assert!(steps.last().unwrap().note.starts_with("these credentials cannot be asked"));
}
