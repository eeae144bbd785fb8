//! The manual, as chapters: [running Vestibule](operating), [every metric and log line](messages), [what it does with
//! personal data](privacy), [whom it withstands](threats), [what its tests measured](figures), and [why it is as it is](decisions).
//!
//! The chapters are files beside this one, to be read there as well. A link between them stands in its file as a reference
//! to the other file; the definition put before the file here comes first and so leads to the chapter instead.

pub mod operating {
    #![doc = "[messages]: super::messages\n[guessing]: super::decisions::d011\n"]
    #![doc = "[store]: super::decisions::d013\n[handover]: super::decisions::d014\n[provider]: super::decisions::d016\n"]
    #![doc = include_str!("operating.md")]
}

#[expect(clippy::doc_markdown, reason = "words of labels stand in running text as they are")]
pub mod messages {
    #![doc = include_str!("messages.md")]
}

pub mod privacy {
    #![doc = "[threats]: super::threats\n[messages]: super::messages\n[subjects]: super::decisions::d005\n"]
    #![doc = "[sealed]: super::decisions::d008\n[headers]: super::decisions::d009\n[guessing]: super::decisions::d011\n"]
    #![doc = "[store]: super::decisions::d013\n[provider]: super::decisions::d016\n[saml]: super::decisions::d017\n"]
    #![doc = include_str!("privacy.md")]
}

#[expect(clippy::doc_markdown, reason = "names of products stand in running text as they are")]
pub mod threats {
    #![doc = "[privacy]: super::privacy\n[domains]: super::decisions::d001\n[replies]: super::decisions::d007\n"]
    #![doc = "[tickets]: super::decisions::d004\n[headers]: super::decisions::d009\n[guessing]: super::decisions::d011\n"]
    #![doc = "[store]: super::decisions::d013\n[front]: super::decisions::d012\n[figures]: super::figures\n"]
    #![doc = "[saml]: super::decisions::d017\n"]
    #![doc = include_str!("threats.md")]
}

pub mod figures {
    #![doc = include_str!("figures.md")]
}

/// Decisions: context, choice, what was given up, and what would change our mind. They are numbered and never rewritten; a
/// later one may replace an earlier one and says so.
pub mod decisions {
    pub mod d001 {
        #![doc = include_str!("decisions/001-two-registrable-domains.md")]
    }
    pub mod d002 {
        #![doc = include_str!("decisions/002-own-settings-reader.md")]
    }
    pub mod d003 {
        #![doc = include_str!("decisions/003-one-runtime-per-worker.md")]
    }
    pub mod d004 {
        #![doc = include_str!("decisions/004-tickets-for-vendor-hosts.md")]
    }
    pub mod d005 {
        #![doc = include_str!("decisions/005-subjects-from-the-canonical-id.md")]
    }
    pub mod d006 {
        #![doc = include_str!("decisions/006-http-by-alpn.md")]
    }
    pub mod d007 {
        #![doc = include_str!("decisions/007-opaque-sip2-replies.md")]
    }
    pub mod d008 {
        #![doc = include_str!("decisions/008-sealed-sessions.md")]
    }
    pub mod d009 {
        #![doc = include_str!("decisions/009-header-allow-list.md")]
    }
    pub mod d010 {
        #![doc = include_str!("decisions/010-http2-and-websocket-to-vendors.md")]
    }
    pub mod d011 {
        #![doc = include_str!("decisions/011-guessing.md")]
    }
    pub mod d012 {
        #![doc = include_str!("decisions/012-strict-front.md")]
    }
    pub mod d013 {
        #![doc = include_str!("decisions/013-store-in-a-file.md")]
    }
    pub mod d014 {
        #![doc = include_str!("decisions/014-handover.md")]
    }
    pub mod d015 {
        #![doc = include_str!("decisions/015-fuzzing.md")]
    }
    pub mod d016 {
        #![doc = include_str!("decisions/016-openid-provider.md")]
    }
    pub mod d017 {
        #![doc = "[provider]: super::d016\n"]
        #![doc = include_str!("decisions/017-identity-provider.md")]
    }
}

#[cfg(test)]
mod tests {
    use std::fs::read_to_string;
    use std::path::{Path, PathBuf};

    fn root() -> &'static Path {
        Path::new(env!("CARGO_MANIFEST_DIR"))
    }

    fn pages() -> Vec<PathBuf> {
        let in_folder = |folder: &str| {
            let entries = std::fs::read_dir(root().join(folder)).unwrap().map(|entry| entry.unwrap().path());
            entries.filter(|path| path.extension().is_some_and(|e| e == "md")).collect::<Vec<_>>()
        };
        [vec![root().join("README.md")], in_folder("src/manual"), in_folder("src/manual/decisions")].concat()
    }

    /// Where the links of a page lead, but for those to other sites.
    fn links(text: &str) -> Vec<&str> {
        let inline = text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
        let defined = text.lines().filter(|line| line.starts_with('[')).filter_map(|line| line.split_once("]: "));
        let all = inline.chain(defined.map(|(_, to)| to));
        all.map(|to| to.split('#').next().unwrap()).filter(|to| !to.is_empty() && !to.contains(':')).collect()
    }

    #[test]
    fn every_link_leads_to_a_file() {
        let pages = pages();
        assert!(pages.len() > 12);
        let mut missing = Vec::new();
        for page in pages {
            let text = read_to_string(&page).unwrap();
            let gone = links(&text).into_iter().filter(|link| !page.parent().unwrap().join(link).exists());
            missing.extend(gone.map(|link| format!("{}: {link}", page.display())));
        }
        assert!(missing.is_empty(), "these are not there:\n{}", missing.join("\n"));
    }

    #[test]
    fn every_test_that_answers_a_threat_is_there() {
        let text = read_to_string(root().join("src/manual/threats.md")).unwrap();
        let rows: Vec<_> = text.lines().filter(|line| line.starts_with("| ") && !line.contains("| tests |")).collect();
        assert!(rows.len() > 10);
        let mut missing = Vec::new();
        for row in rows {
            let tests = row.trim_end_matches([' ', '|']).rsplit(" | ").next().unwrap();
            for name in tests.split('`').skip(1).step_by(2) {
                let places = [name.to_owned(), format!("tests/it/{name}"), format!("tests/it/{name}.rs")];
                if !places.iter().any(|place| root().join(place).exists()) {
                    missing.push(name);
                }
            }
        }
        assert!(missing.is_empty(), "these are not there: {missing:?}");
    }
}
