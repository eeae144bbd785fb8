//! axe-core, put into a page and asked for its verdict, and what it does not look at: scrolling sideways.
use super::visitor::Visitor;
use serde_json::{Value, json};
use std::path::PathBuf;

/// Widths of a desk's screen, and of a narrow phone's (WCAG 1.4.10 asks for 320 CSS pixels).
const WIDTHS: [(u32, u32); 2] = [(1280, 800), (320, 640)];

const VERDICT: &str = r"
const [source, done] = arguments;
if (!window.axe) (0, eval)(source);
const tags = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'];
const options = { runOnly: { type: 'tag', values: tags }, rules: { 'target-size': { enabled: true } } };
const brief = rules => rules.map(rule => ({
  rule: rule.id, help: rule.help, nodes: rule.nodes.map(node => node.html + ' ' + node.any.map(a => a.message).join(' ')) }));
axe.run(document, options).then(
  found => done({ violations: brief(found.violations), unsure: brief(found.incomplete), passes: found.passes.map(r => r.id) }),
  error => done({ error: String(error) }));
";

/// Holds the page that is shown against the rules, in light and dark, wide and narrow, and takes its picture each time.
pub(super) async fn examine(visitor: &Visitor<'_>, state: &str) {
    let chromium = &visitor.chromium;
    let mut found = Vec::new();
    for (width, height) in WIDTHS {
        let screen = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false });
        chromium.tell("Emulation.setDeviceMetricsOverride", screen).await;
        for scheme in ["light", "dark"] {
            let features = json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }] });
            chromium.tell("Emulation.setEmulatedMedia", features).await;
            let verdict = verdict(visitor).await;
            assert!(verdict["passes"].as_array().unwrap().iter().any(|p| p == "color-contrast"), "{state}: it looked");
            for list in ["violations", "unsure"] {
                let rules = verdict[list].as_array().unwrap();
                found.extend(rules.iter().map(|rule| format!("{width} px, {scheme}, {list}: {rule:#}")));
            }
            picture(visitor, &format!("{state}-{width}-{scheme}")).await;
        }
        let overflow = "return document.documentElement.scrollWidth - document.documentElement.clientWidth";
        let overflow = chromium.client.execute(overflow, vec![]).await.unwrap();
        assert_eq!(overflow, 0, "{state}: at {width} px the page scrolls sideways");
    }
    chromium.tell("Emulation.clearDeviceMetricsOverride", json!({})).await;
    assert!(found.is_empty(), "{state}: {}", found.join("\n"));
}

/// What axe-core says of the page that is shown.
pub(super) async fn verdict(visitor: &Visitor<'_>) -> Value {
    let verdict = visitor.chromium.client.execute_async(VERDICT, vec![source().into()]).await.unwrap();
    assert_eq!(verdict["error"], Value::Null, "axe-core failed");
    verdict
}

/// Keeps a picture of the whole page under target/screenshots.
async fn picture(visitor: &Visitor<'_>, name: &str) {
    use base64::Engine;
    let wanted = json!({ "captureBeyondViewport": true });
    let told = visitor.chromium.tell("Page.captureScreenshot", wanted).await;
    let picture = base64::engine::general_purpose::STANDARD.decode(told["data"].as_str().unwrap()).unwrap();
    let folder = root().join("target/screenshots");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join(format!("{name}.png")), picture).unwrap();
}

fn source() -> String {
    let path = root().join("target/test-partners/node_modules/axe-core/axe.min.js");
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("axe-core is missing ({error}): run tests/install.sh"))
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}
