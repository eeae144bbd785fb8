//! The reduced `User-Agent`: which engine and which major version, on a platform that is the same for everyone. Vendors
//! choose scripts by it; it should not choose the person.
use http::HeaderValue;

/// Reduces a browser's own `User-Agent`. What is not known becomes a bare `Mozilla/5.0`.
pub(super) fn reduced(own: &HeaderValue) -> HeaderValue {
    let text = own.to_str().unwrap_or_default();
    let mobile = text.contains("Mobile");
    let text = if let Some(version) = major(text, "Firefox/") {
        let platform = if mobile { "Android 10; Mobile" } else { "X11; Linux x86_64" };
        format!("Mozilla/5.0 ({platform}; rv:{version}.0) Gecko/20100101 Firefox/{version}.0")
    } else if let Some(version) = major(text, "Chrome/") {
        let (platform, device) = if mobile { ("Linux; Android 10; K", " Mobile") } else { ("X11; Linux x86_64", "") };
        format!(
            "Mozilla/5.0 ({platform}) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/{version}.0.0.0{device} Safari/537.36"
        )
    } else if let Some(version) = major(text, "Version/").filter(|_| text.contains("Safari/")) {
        let (platform, device) = if mobile {
            ("iPhone; CPU iPhone OS 17_0 like Mac OS X", " Mobile/15E148")
        } else {
            ("Macintosh; Intel Mac OS X 10_15_7", "")
        };
        format!(
            "Mozilla/5.0 ({platform}) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/{version}.0{device} Safari/605.1.15"
        )
    } else {
        "Mozilla/5.0".to_owned()
    };
    HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static("Mozilla/5.0"))
}

/// The number after `product`, when it is one to three digits.
fn major<'a>(text: &'a str, product: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(product)?;
    let digits = rest.split(|c: char| !c.is_ascii_digit()).next()?;
    (1..=3).contains(&digits.len()).then_some(digits)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(own: &'static str) -> String {
        reduced(&HeaderValue::from_static(own)).to_str().unwrap().to_owned()
    }

    #[test]
    fn platforms_and_builds_are_gone() {
        let windows = of(
            "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.6778.86 Safari/537.36",
        );
        let mac = of(
            "Mozilla/5.0 (Macintosh; Intel Mac OS X 14_7) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.6778.70 Safari/537.36 Edg/131.0",
        );
        assert_eq!(windows, mac);
        assert!(windows.contains("Chrome/131.0.0.0 "));
        assert!(of("Mozilla/5.0 (X11; Ubuntu; rv:133.0) Gecko/20100101 Firefox/133.0").contains("Firefox/133.0"));
        assert!(of("Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.1 Mobile/15E148 Safari/604.1").contains("Version/18.0 Mobile"));
        for odd in ["", "curl/8.5.0", "Library Kiosk 29999000000017", "Chrome/29999000000017", "Firefox/x"] {
            assert_eq!(of(odd), "Mozilla/5.0");
        }
    }
}
