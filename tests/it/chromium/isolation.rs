//! What a hostile vendor's page can do to the portal and to its neighbours, tried out in a browser; and the same against a
//! portal that stands among the vendors' hosts, to show that these attacks are real.
use super::hostile::Scene;
use crate::support::browser::Browser;
use crate::support::observe::metrics;
use crate::support::{World, figure};
use serde_json::json;

/// Cookies in every spelling that might be taken for one of ours.
const SHADOW: &str = "
    for (const domain of ['', '; Domain=proxy.localhost', '; Domain=localhost', '; Domain=vestibule.localhost',
                          '; Domain=login.vestibule.localhost'])
        for (const name of ['__Host-vestibule', '__Host-vestibule-visit', '__Host-vestibule-form', 'vestibule', '__host-vestibule',
                            '__Secure-vestibule', '__HOST-VESTIBULE', '=__Host-vestibule', '=__Host-vestibule-visit',
                            ' __Host-vestibule', '\\u2000__Host-vestibule-visit', '__Host-vestibule-visit '])
            document.cookie = name + '=shadow; Path=/; Secure' + domain;
    return document.cookie;";

/// More cookies than a browser keeps for a site (Chromium: 180), host-only and for the whole domain.
const EVICT: &str = "
    for (let i = 0; i < 400; i++) document.cookie = 'e' + i + '=1; Path=/; Secure; Domain=proxy.localhost';
    for (let i = 0; i < 400; i++) document.cookie = 'h' + i + '=1; Path=/; Secure';
    return document.cookie.length;";

/// Cookies that make every request larger than any server takes. To read them waits until they are all set.
const BOMB: &str = "
    for (let i = 0; i < 60; i++)
        document.cookie = 'b' + i + '=' + 'x'.repeat(4000) + '; Path=/; Secure; SameSite=None; Domain=proxy.localhost';
    return document.cookie.length;";

#[tokio::test]
async fn a_vendor_cannot_shadow_evict_or_bomb_the_portal_s_session() {
    let world = World::start();
    let scene = Scene::lay(&world).await;
    let session = scene.session().await;
    assert_eq!(session.len(), 1);
    let portal = format!("{}/", scene.portal);
    let before = scene.cookies(&portal).await;
    scene.act(SHADOW).await;
    scene.hostile_page("/fields").await;
    assert_eq!(scene.cookies(&portal).await, before, "the portal's cookies are as they were");
    assert!(scene.is_signed_in().await);
    scene.hostile_page("/attack").await;
    scene.act(EVICT).await;
    assert_eq!(scene.session().await, session);
    assert!(scene.is_signed_in().await, "the session survives 800 cookies");
    // The neighbour's own cookie may be gone; the way to it leads through the portal, and nobody is asked anything.
    scene.visitor.open(&scene.neighbour_url("/after-eviction")).await;
    scene.visitor.see_heading("A page").await;
    assert_eq!(scene.neighbour.of("/after-eviction").len(), 1);
    scene.hostile_page("/attack").await;
    scene.act(BOMB).await;
    let size: usize = scene.cookies(&scene.neighbour_url("/")).await.iter().map(|(n, v)| n.len() + v.len()).sum();
    assert!(size > 100_000, "{size}");
    assert_eq!(scene.session().await, session);
    assert!(scene.is_signed_in().await, "the login host answers");
    // Vendors' hosts are one site, so there the reader is shut out (decision 001).
    scene.visitor.open(&scene.neighbour_url("/bombed")).await;
    let shut = scene.neighbour.of("/bombed").is_empty();
    assert!(shut, "{}", scene.visitor.text().await);
    // The refusal clears the cookies, so to try again is all that it takes.
    scene.visitor.open(&scene.neighbour_url("/bombed")).await;
    scene.visitor.see_heading("A page").await;
    assert_eq!(scene.neighbour.of("/bombed").len(), 1);
    let test = "chromium::isolation::a_vendor_cannot_shadow_evict_or_bomb_the_portal_s_session";
    figure(test, "portal session after 60 shadow cookies, 800 cookies and a cookie bomb", "unchanged, signed in");
    figure(
        test,
        "a neighbour's host after a cookie bomb",
        &format!("{size} bytes of cookies: shut out once, then cleared by us and open again"),
    );
    scene.end().await;
}

/// Sends forms and requests to everything at the portal that changes a state, and asks for everything by `GET`.
const RIDE: &str = "
    const paths = ['/login', '/logout', '/go/press', '/resources', '/privacy', '/login?url=x', '/logout?token=x', '/static/portal.css'];
    const told = [];
    for (const path of paths)
        for (const method of ['POST', 'GET', 'PUT', 'DELETE', 'HEAD'])
            for (const mode of ['no-cors', 'cors'])
                for (const credentials of ['include', 'omit']) {
                    const body = ['GET', 'HEAD'].includes(method) ? undefined : new URLSearchParams(form);
                    try {
                        const answer = await fetch(portal + path, { method, mode, credentials, body });
                        told.push([answer.type, answer.status, (await answer.text()).length]);
                    } catch (e) {}
                }
    for (const path of paths) navigator.sendBeacon(portal + path, new URLSearchParams(form));
    const frame = document.createElement('iframe');
    frame.name = 'hidden'; document.body.append(frame);
    for (const [path, enctype] of [['/login', 'application/x-www-form-urlencoded'], ['/logout', 'text/plain'],
                                   ['/logout', 'application/x-www-form-urlencoded'], ['/login', 'multipart/form-data']]) {
        const f = document.createElement('form');
        Object.assign(f, { action: portal + path, method: 'POST', enctype, target: 'hidden' });
        for (const [name, value] of Object.entries(form)) {
            const field = document.createElement('input');
            Object.assign(field, { type: 'hidden', name, value }); f.append(field);
        }
        document.body.append(f); f.submit(); await pause(300);
    }
    return told.filter(([type, status, length]) => type !== 'opaque' && type !== 'opaqueredirect' || status || length);";

/// As [`RIDE`], in the window itself: a form that the reader is made to send.
const RIDE_ON_TOP: &str = "
    const f = document.createElement('form');
    Object.assign(f, { action: portal + '/login', method: 'POST' });
    for (const [name, value] of Object.entries(form)) {
        const field = document.createElement('input');
        Object.assign(field, { type: 'hidden', name, value }); f.append(field);
    }
    document.body.append(f); setTimeout(() => f.submit(), 50);";

#[tokio::test]
async fn a_vendor_cannot_ride_on_the_portal_s_session() {
    let world = World::start();
    let scene = Scene::lay(&world).await;
    let session = scene.session().await;
    // The attacker has a card too, and a form with its token.
    let mut attacker = Browser::new(&world.path("ca"));
    let form = attacker.visit(&format!("{}/login", scene.served.portal)).await;
    let patron = world.patron(1);
    let form = json!({
        "token": form.hidden("token").unwrap(), "qurl": "",
        "library": patron["library"], "card": patron["card"], "pin": patron["pin"],
    });
    let counted = || {
        let all = metrics(&scene.served.admin).into_iter();
        let changes =
            |name: &str| name.starts_with("vestibule_sign_ins_total") || name.starts_with("vestibule_sign_outs");
        all.filter(|(name, _)| changes(name)).map(|(name, n)| (name, n.to_bits())).collect::<Vec<_>>()
    };
    let before = counted();
    assert!(!before.is_empty());
    let read = scene.act(&format!("const form = {form}; {RIDE}")).await;
    assert_eq!(read, json!([]), "nothing of an answer can be read");
    scene.hostile_page("/attack").await;
    scene.act(&format!("const form = {form}; {RIDE_ON_TOP}")).await;
    scene.visitor.see_heading("This form was not sent from here").await;
    assert_eq!(counted(), before, "nobody was signed in or out");
    assert_eq!(scene.session().await, session);
    assert!(scene.is_signed_in().await);
    let test = "chromium::isolation::a_vendor_cannot_ride_on_the_portal_s_session";
    figure(test, "160 requests, 8 beacons and 5 forms from a vendor's page to the portal", "0 read, 0 state changes");
    scene.end().await;
}

const FRAME: &str = "
    const told = {};
    const make = {
        iframe: e => { e.src = portal + '/login'; }, object: e => { e.data = portal + '/login'; },
        embed: e => { e.src = portal + '/login'; }, sandboxed: e => { e.sandbox = 'allow-scripts allow-forms'; e.src = portal + '/logout'; },
    };
    for (const [kind, set] of Object.entries(make)) {
        const e = document.createElement(kind === 'sandboxed' ? 'iframe' : kind);
        set(e); document.body.append(e); await pause(700);
    }
    return window.length;";

const READ: &str = "
    const told = {};
    const load = (tag, set) => new Promise(go => {
        const e = document.createElement(tag);
        e.onload = () => go('loaded'); e.onerror = () => go('refused'); set(e); document.head.append(e);
        setTimeout(() => go('silent'), 3000);
    });
    told.page = await fetch(portal + '/login', { mode: 'no-cors' }).then(a => a.text(), () => 'refused');
    told.script = await load('script', e => { e.src = portal + '/resources?callback=spy'; });
    told.keys = await load('script', e => { e.src = portal + '/.well-known/jwks.json?callback=spy'; });
    told.image = await load('img', e => { e.src = portal + '/static/portal.css'; });
    told.style = await load('link', e => { e.rel = 'stylesheet'; e.href = portal + '/login'; });
    for (const path of ['/login', '/resources', '/privacy', '/metrics'])
        told[path] = await fetch(portal + path, { credentials: 'include' }).then(a => 'read ' + a.status, () => 'refused');
    return told;";

#[tokio::test]
async fn a_vendor_can_neither_frame_nor_read_the_portal() {
    let world = World::start();
    let scene = Scene::lay(&world).await;
    scene.visitor.chromium.complaints().await;
    scene.act(FRAME).await;
    let complaints = scene.visitor.chromium.complaints().await;
    let refused = complaints.iter().filter(|c| c.contains("frame-ancestors") && c.contains(&scene.portal)).count();
    assert!(refused >= 4, "{refused} of 4 frames were refused: {complaints:#?}");
    let read = scene.act(READ).await;
    for (what, told) in read.as_object().unwrap_or_else(|| panic!("{read}")) {
        assert_eq!(told, "refused", "{what}: {read}");
    }
    // A window of the portal does not know who opened it, nor what the opener wrote on it.
    let client = &scene.visitor.chromium.client;
    let first = client.window().await.unwrap();
    let opened = scene
        .act(
            "window.name = 'spy'; window.w = window.open(portal + '/resources', 'theirs'); await pause(2500); \
                            let seen; try { seen = String(w.document.title) } catch (e) { seen = 'refused' } \
                            return [w.closed, w.length, seen];",
        )
        .await;
    assert_eq!(opened, json!([true, 0, "refused"]), "to its opener the portal's window is closed");
    let other = scene.another_window(&first).await;
    client.switch_to_window(other).await.unwrap();
    scene.visitor.see_heading("Resources").await;
    assert_eq!(scene.act("return [window.opener, window.name];").await, json!([null, ""]));
    client.switch_to_window(first).await.unwrap();
    let test = "chromium::isolation::a_vendor_can_neither_frame_nor_read_the_portal";
    figure(test, "frames, scripts, images, styles, fetches and windows of the portal at a vendor", "all refused");
    scene.end().await;
}

const WORKERS: &str = "
    const told = {};
    for (const [name, url, options] of [
        ['own', '/worker.js', {}], ['wide', '/deep/worker.js', { scope: '/' }], ['deep', '/deep/worker.js', {}],
        ['ours', '/worker.js', { scope: '/.vestibule/' }], ['neighbour', neighbour + '/worker.js', {}],
        ['portal', portal + '/worker.js', {}], ['scope', '/worker.js', { scope: neighbour + '/' }],
        ['module', '/worker.js', { type: 'module' }],
    ]) told[name] = await navigator.serviceWorker.register(url, options).then(() => 'registered', () => 'refused');
    told.left = (await navigator.serviceWorker.getRegistrations()).length;
    return told;";

#[tokio::test]
async fn a_vendor_cannot_leave_a_worker_or_reach_a_neighbour() {
    let world = World::start();
    let scene = Scene::lay(&world).await;
    let told = scene.act(WORKERS).await;
    let told = told.as_object().unwrap();
    assert!(told.iter().all(|(name, what)| what == "refused" || (name == "left" && what == 0)), "{told:?}");
    assert!(scene.hostile.of("/worker.js").is_empty(), "the vendor is not even asked");
    let visit = |cookies: Vec<(String, String)>| {
        cookies.into_iter().filter(|(name, _)| name.starts_with("__Host-")).collect::<Vec<_>>()
    };
    let press = scene.neighbour_url("/");
    let before = visit(scene.cookies(&press).await);
    scene.act(SHADOW).await;
    scene.hostile_page("/fields").await;
    scene.act("document.cookie = 'planted=1; Path=/; Secure; Domain=proxy.localhost';").await;
    assert_eq!(visit(scene.cookies(&press).await), before, "the neighbour's visit is as it was");
    scene.visitor.open(&scene.neighbour_url("/visited")).await;
    scene.visitor.see_heading("A page").await;
    let heads = scene.neighbour.of("/visited").concat().to_lowercase();
    assert!(!heads.is_empty() && !heads.contains("shadow") && !heads.contains("byfield"), "{heads}");
    assert!(!heads.contains("vestibule"), "{heads}");
    // What a script sets for the whole proxy domain does arrive: see decision 001.
    assert!(heads.contains("planted=1"));
    let readable = scene.act("return document.cookie;").await.to_string();
    assert!(before.iter().all(|(_, value)| !readable.contains(value)), "{readable}");
    // Permissions stay with the host that has them.
    let hostile = scene.served.vendor_url("atlas", "");
    let grant = json!({ "origin": hostile, "permissions": ["notifications"] });
    scene.visitor.chromium.tell("Browser.grantPermissions", grant).await;
    let asked = "return (await navigator.permissions.query({ name: 'notifications' })).state;";
    scene.hostile_page("/attack").await;
    assert_eq!(scene.act(asked).await, json!("granted"));
    scene.neighbour_page("/permissions").await;
    assert_ne!(scene.act(asked).await, json!("granted"));
    let read =
        "return await fetch(neighbour + '/secret', { credentials: 'include' }).then(() => 'read', () => 'refused');";
    scene.hostile_page("/attack").await;
    assert_eq!(scene.act(read).await, json!("refused"), "a neighbour's page cannot be read");
    let test = "chromium::isolation::a_vendor_cannot_leave_a_worker_or_reach_a_neighbour";
    figure(
        test,
        "8 service workers, 60 cookies, permissions and reads against a neighbour",
        "all refused; one cookie set by script for the proxy domain arrives (decision 001)",
    );
    scene.end().await;
}

#[tokio::test]
async fn neither_ticket_nor_portal_page_is_told_to_a_vendor() {
    let world = World::start();
    let scene = Scene::lay(&world).await;
    let known = "return [document.referrer, location.href, performance.getEntriesByType('navigation').map(e => e.name), \
                 window.navigation ? navigation.entries().map(e => e.url) : [], String(window.opener), window.name];";
    let told = scene.act(known).await.to_string();
    assert!(!told.contains("ticket") && !told.contains("login.vestibule"), "{told}");
    // By a link of the portal's, as a reader goes.
    scene.visitor.open(&format!("{}/resources", scene.portal)).await;
    scene.visitor.click("main a[href='/go/atlas']").await;
    scene.visitor.see_heading("A page").await;
    let told = scene.act(known).await.to_string();
    assert!(!told.contains("ticket") && !told.contains("login.vestibule"), "{told}");
    let heard = format!("{}{}", scene.hostile.all(), scene.neighbour.all());
    assert!(heard.contains("GET /attack") && heard.contains("GET /first"));
    for secret in ["ticket", ".vestibule", "login.vestibule", "/resources"] {
        assert!(!heard.contains(secret), "{secret}: {heard}");
    }
    let cookies = scene.cookies(&format!("{}/", scene.portal)).await;
    for (name, value) in &cookies {
        assert!(!heard.contains(value.as_str()) || value.len() < 8, "{name}");
    }
    let test = "chromium::isolation::neither_ticket_nor_portal_page_is_told_to_a_vendor";
    figure(test, "tickets, addresses of the portal and cookies in what vendors and their pages can see", "0");
    scene.end().await;
}

/// The attacks are real: where the portal stands among the vendors' hosts, they succeed.
#[tokio::test]
async fn a_portal_among_the_vendors_hosts_is_lost() {
    let world = World::start();
    let scene = Scene::misconfigured(&world).await;
    let portal = format!("{}/", scene.portal);
    scene.act("document.cookie = 'sid=shadow; Path=/; Secure; Domain=proxy.localhost';").await;
    let shadowed = scene.cookies(&portal).await.contains(&("sid".to_owned(), "shadow".to_owned()));
    scene.act(BOMB).await;
    let status = "return await fetch(portal + '/login', { credentials: 'include', mode: 'no-cors' }).then(() => 'answered', e => 'error')";
    scene.act(status).await;
    scene.visitor.open(&portal).await;
    let bombed = !scene.visitor.text().await.contains("Atlas of Everything");
    scene.end().await;
    // In a browser of its own: a portal that is bombed has the browser's cookies cleared, the session's among them.
    let scene = Scene::misconfigured(&world).await;
    assert!(scene.is_signed_in().await, "nothing has happened yet");
    scene.hostile_page("/attack").await;
    scene.act(EVICT).await;
    let evicted = scene.session().await.is_empty();
    let test = "chromium::isolation::a_portal_among_the_vendors_hosts_is_lost";
    let reached = format!("a cookie planted: {shadowed}; unreachable by a bomb: {bombed}; session evicted: {evicted}");
    figure(test, "control: the portal under the proxy domain", &reached);
    assert!(shadowed && bombed && evicted, "{reached}");
    scene.end().await;
}
