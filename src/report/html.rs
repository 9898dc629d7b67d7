//! What all pages share: their head, and text in them.

/// Styles of a page: nothing is fetched, figures are not torn apart in print.
const STYLE: &str = "body{font-family:sans-serif;max-width:1280px;margin:auto;padding:8px;line-height:1.4}\
    table{border-collapse:collapse;margin:0.5em 0;font-variant-numeric:tabular-nums}\
    td,th{border:1px solid #bbb;padding:2px 8px;text-align:right}th{background:#f2f2f2}td.text,th.text{text-align:left}\
    figure{display:inline-block;margin:6px 8px 6px 0;vertical-align:top;max-width:100%}\
    figure svg{max-width:100%;height:auto;vertical-align:top}figcaption{max-width:80em;margin:4px 0 12px}\
    code{overflow-wrap:anywhere}.failed{color:#a00}.wide{overflow-x:auto}\
    @media print{body{max-width:none;padding:0}figure,tr{break-inside:avoid}h2,h3{break-after:avoid}}";

/// Text as HTML.
pub(super) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            other => escaped.push(other),
        }
    }
    escaped
}

/// Everything before the content, with the title as heading.
pub(super) fn head(title: &str) -> String {
    let title = escape(title);
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"/><title>{title}</title><style>{STYLE}</style></head>\
         <body>\n<h1>{title}</h1>\n"
    )
}

/// Everything after the content.
pub(super) const TAIL: &str = "</body></html>\n";

/// An SVG inside HTML needs no name space, and the page then names no address at all.
pub(super) fn inline(svg: &str) -> String {
    svg.replace(" xmlns=\"http://www.w3.org/2000/svg\"", "")
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// Every tag closed in order, nothing fetched from elsewhere.
    pub fn require_well_formed(page: &str) {
        let mut open: Vec<String> = vec![];
        let body = page.strip_prefix("<!DOCTYPE html>").unwrap();
        for piece in body.split('<').skip(1) {
            let (tag, rest) = piece.split_once('>').expect("an open bracket without its partner");
            assert!(!rest.contains('>'), "a stray bracket: {piece}");
            if tag.starts_with("!--") {
                continue;
            }
            let name = tag.trim_start_matches('/').split(|c: char| c.is_whitespace() || c == '/').next().unwrap();
            if tag.starts_with('/') {
                assert_eq!(open.pop().as_deref(), Some(name), "closed out of order");
            } else if !tag.ends_with('/') {
                open.push(name.to_string());
            }
        }
        assert!(open.is_empty(), "never closed: {open:?}");
        for reference in ["http:", "https:", "src=", "href=", "url(", "@import", "<script"] {
            assert!(!page.contains(reference), "{reference}");
        }
    }

    #[test]
    fn text_is_escaped_and_broken_pages_are_noticed() {
        assert_eq!(escape("a<b> & \"c'"), "a&lt;b&gt; &amp; &quot;c&#39;");
        for broken in ["<!DOCTYPE html><p><b></p></b>", "<!DOCTYPE html><p>", "<!DOCTYPE html><img src=\"x\"/>"] {
            assert!(std::panic::catch_unwind(|| require_well_formed(broken)).is_err(), "{broken}");
        }
        require_well_formed(&format!("{}{TAIL}", head("a & b")));
    }
}
