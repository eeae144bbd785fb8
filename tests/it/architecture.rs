//! The doors between the rooms, as a test: each room may use only the rooms named beside it.
use std::fs;
use std::path::Path;
use syn::spanned::Spanned;
use syn::visit::Visit;
use syn::{ItemUse, UseTree};

/// Room, and the rooms that it may use. `main`, `lib` and `app` put the house together and may use all.
const DOORS: &[(&str, &[&str])] = &[
    ("cli", &["app", "config", "demo", "domain", "egress", "net", "patron", "protocol", "telemetry"]),
    ("config", &["domain"]),
    ("demo", &[]),
    ("domain", &[]),
    ("egress", &["session", "patron", "store", "telemetry", "domain"]),
    ("manual", &[]),
    ("net", &["telemetry", "domain"]),
    ("patron", &["store", "telemetry", "domain"]),
    ("protocol", &["egress", "store", "telemetry", "domain"]),
    ("session", &["patron", "store", "telemetry", "domain"]),
    ("store", &["telemetry", "domain"]),
    ("telemetry", &["domain"]),
    ("web", &["protocol", "egress", "session", "patron", "telemetry", "domain"]),
];
const COMPOSE: &[&str] = &["app", "lib", "main"];

#[test]
fn rooms_use_only_the_rooms_below_them() {
    let src = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/src"));
    let mut wrong = Vec::new();
    let mut rooms = Vec::new();
    walk(src, &mut |file| {
        let relative = file.strip_prefix(src).unwrap().with_extension("");
        let mut module: Vec<String> = relative.iter().map(|s| s.to_str().unwrap().to_owned()).collect();
        if module.last().is_some_and(|last| last == "mod") {
            module.pop();
        }
        // Tests of a room may set up whatever they need.
        if module.iter().any(|part| part == "tests") {
            return;
        }
        let room = module.first().unwrap().clone();
        if COMPOSE.contains(&room.as_str()) {
            return;
        }
        let Some((_, allowed)) = DOORS.iter().find(|(name, _)| *name == room) else {
            panic!("room `{room}` has no line in DOORS");
        };
        let mut scan = Scan { depth: module.len(), found: Vec::new() };
        scan.visit_file(&syn::parse_file(&fs::read_to_string(file).unwrap()).unwrap());
        for (line, used) in scan.found {
            if used != room && !allowed.contains(&used.as_str()) {
                wrong.push(format!("src/{}.rs:{line}: `{room}` may not use `{used}`", relative.display()));
            }
        }
        rooms.push(room);
    });
    assert!(wrong.is_empty(), "doors that do not exist:\n{}", wrong.join("\n"));
    for (room, _) in DOORS {
        assert!(rooms.iter().any(|r| r == room), "room `{room}` has no file");
    }
}

#[test]
fn the_scan_sees_a_wrong_door() {
    let mut scan = Scan { depth: 1, found: Vec::new() };
    let source = "use crate::patron::Gate; fn f() { let _ = super::session::Sessions::new; } mod m { use super::super::web::x; } #[cfg(test)] mod t { use crate::store::Memory; }";
    scan.visit_file(&syn::parse_file(source).unwrap());
    let found: Vec<_> = scan.found.iter().map(|(_, room)| room.as_str()).collect();
    assert_eq!(found, ["patron", "session", "web"]);
}

struct Scan {
    depth: usize,
    found: Vec<(usize, String)>,
}

impl Scan {
    /// Notes the room that a path reaches, if it climbs to the crate's root.
    fn path(&mut self, line: usize, segments: &[String]) {
        let supers = segments.iter().take_while(|s| *s == "super").count();
        let room = match segments.first().map(String::as_str) {
            Some("crate") => segments.get(1),
            Some("super") if supers >= self.depth => segments.get(supers),
            _ => return,
        };
        self.found.push((line, room.map_or_else(|| "*".to_owned(), Clone::clone)));
    }

    fn tree(&mut self, tree: &UseTree, prefix: &mut Vec<String>) {
        let line = tree.span().start().line;
        let name = match tree {
            UseTree::Path(path) => {
                prefix.push(path.ident.to_string());
                self.tree(&path.tree, prefix);
                prefix.pop();
                return;
            }
            UseTree::Group(group) => return group.items.iter().for_each(|item| self.tree(item, prefix)),
            UseTree::Name(name) => name.ident.to_string(),
            UseTree::Rename(name) => name.ident.to_string(),
            UseTree::Glob(_) => "*".to_owned(),
        };
        prefix.push(name);
        self.path(line, prefix);
        prefix.pop();
    }
}

impl<'a> Visit<'a> for Scan {
    fn visit_item_use(&mut self, item: &'a ItemUse) {
        self.tree(&item.tree, &mut Vec::new());
    }

    fn visit_path(&mut self, path: &'a syn::Path) {
        let segments: Vec<_> = path.segments.iter().map(|s| s.ident.to_string()).collect();
        self.path(path.span().start().line, &segments);
        syn::visit::visit_path(self, path);
    }

    fn visit_item_mod(&mut self, item: &'a syn::ItemMod) {
        if item.attrs.iter().any(is_test_only) {
            return;
        }
        self.depth += 1;
        syn::visit::visit_item_mod(self, item);
        self.depth -= 1;
    }

    // `pub(in crate::patron)` says who may come in, not where this file goes.
    fn visit_visibility(&mut self, _: &'a syn::Visibility) {}
}

fn is_test_only(attribute: &syn::Attribute) -> bool {
    attribute.path().is_ident("cfg") && attribute.parse_args::<syn::Path>().is_ok_and(|path| path.is_ident("test"))
}

fn walk(folder: &Path, visit: &mut dyn FnMut(&Path)) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            walk(&path, visit);
        } else if path.extension().is_some_and(|x| x == "rs") {
            visit(&path);
        }
    }
}
