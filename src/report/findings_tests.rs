//! Findings as text, JSON and page.

use super::*;
use serde_json::json;

fn example() -> Findings {
    let mut findings = Findings::new("An <example> & more", json!({"samples": 10, "kappa": 0.27})).limit(3.0);
    let first = Observable::new("abs_mag", 0.7633, 0.0022).exact(0.7655).published(0.77, 0.01).with_tau_int(3.5);
    let second =
        Observable::new("chi2", 2.576, 0.012).reference(2.57, 0.004).published_elsewhere(2.423, 0.104, "a cut window");
    findings.heading("Observables").text("Some text.");
    findings
        .table(Table::new("One line an observable").row(Row::new().label("kernel", "path").with(first).with(second)));
    let wide = |method: &str, value: f64| {
        let found = Observable::new("kappa4", value, 0.01).exact(-2.0);
        Row::new().label("method", method).label("steps", 20).with(found).with(Observable::plain("seconds", 1.5))
    };
    findings.table(Table::wide("One line a row").row(wide("sde", -2.01)).row(wide("two-step flow", -1.995)));
    findings
}

#[test]
fn deviations_and_verdicts() {
    let mut findings = example();
    let (largest, count) = findings.largest_z();
    assert_eq!(count, 4);
    assert!((largest - 1.0).abs() < 1e-9, "{largest}");
    assert_eq!(findings.verdict().unwrap(), "passed: largest |z| 1.00 of 4 comparisons, limit 3");
    let row = |observable: Observable| Table::new("").row(Row::new().label("at", "L = 8").with(observable));
    // Not counted, not a number, and off.
    findings.table(row(Observable::new("free", 5.0, 0.1).exact(0.0).uncounted()));
    assert!(findings.failure().is_none());
    let mut broken = findings.clone();
    broken.table(row(Observable::new("lost", f64::NAN, 0.1).exact(0.0)));
    assert!(broken.failure().unwrap().contains("lost (L = 8)") && broken.largest_z().0.is_nan());
    findings.table(row(Observable::new("off", 0.5, 0.1).exact(0.0)));
    assert!(findings.verdict().unwrap().starts_with("failed: off (L = 8) is +5.00 standard errors off"));
    assert_eq!(Observable::new("same", 1.0, 0.0).exact(1.0).z(), Some(0.0));
    assert_eq!(Observable::plain("bare", 1.0).exact(2.0).z(), None);
    let mut failed = Findings::new("t", json!({}));
    assert!(failed.verdict().is_none());
    failed.fail("no plateau");
    assert_eq!(failed.verdict().unwrap(), "failed: no plateau");
}

#[test]
fn text_and_json_hold_every_number() {
    let lines = example().lines();
    let text = lines.join("\n");
    let numbers = ["0.7633(22)", "0.7655", "-1.00", "0.770(10)", "+0.45", "2.42(10) *1", "3.5", "-2.010(10) [-1.0]"];
    for expected in numbers.into_iter().chain(["*1 another quantity: a cut window", "exact"]) {
        assert!(text.contains(expected), "{expected}:\n{text}");
    }
    let json = serde_json::Value::Object(example().json());
    assert_eq!(json["verdict"], "passed");
    let row = &json["rows"][0];
    assert_eq!((&row["table"], &row["kernel"]), (&json!("One line an observable"), &json!("path")));
    let abs_mag = &row["observables"]["abs_mag"];
    assert_eq!(
        (&abs_mag["value"], &abs_mag["tau_int"], &abs_mag["exact"]),
        (&json!(0.7633), &json!(3.5), &json!(0.7655))
    );
    assert!(abs_mag["exact_error"].is_null() && (abs_mag["published"]["z"].as_f64().unwrap() - 0.45).abs() < 1e-9);
    let chi2 = &row["observables"]["chi2"];
    assert_eq!(chi2["published"]["differs"], "a cut window");
    assert!(chi2["published"]["z"].is_null() && chi2["exact_error"] == 0.004);
    // A quantity that does not apply is absent.
    assert_eq!(json["rows"][1]["observables"]["seconds"], json!({"value": 1.5}));
}

#[test]
#[cfg(feature = "report")]
fn the_page_is_self_contained_and_every_kind_of_figure_is_in_it() {
    let mut findings = example();
    let curve = || (1..40).map(|i| (f64::from(i), f64::from(i).powi(-2), 1e-3)).collect::<Vec<_>>();
    let plot = Plot::new("Title", "t", "\u{3ba}\u{2084}(t)")
        .log_x()
        .log_y()
        .band("ours", curve())
        .dashed("exact", [(1.0, 1.0), (40.0, 1e-3)]);
    let bars =
        Plot::new("Histogram", "M", "density").bars("ours", curve()).line("exact", [(0.0, 0.1), (40.0, 0.2)]).mark(7.0);
    let dots = Plot::new("Scatter", "S", "S_eff").dots("", [(1.0, 1.0), (2.0, 2.1)]).autocorrelation(
        "rho",
        &[1.0, 0.5, 0.2],
        2,
    );
    let plane = Plane::new("Plane", ("x", -1.0, 1.0), ("y", -1.0, 1.0));
    let values = plane.places(8, 8).iter().map(|(x, y)| x * y).collect();
    let vectors: Vec<_> = plane.places(5, 5).iter().map(|(x, y)| (-x, -y)).collect();
    let plane =
        plane.cells("x y", 8, values, true).field("drift", 5, &vectors).curve("zero", vec![(-1.0, 0.0), (1.0, 0.0)]);
    let plane = plane.dots("samples", vec![(0.1, 0.1)]);
    let field: Vec<f64> = (0..64).map(|i| f64::from(i - 32)).collect();
    let images = Images::new("Denoising", "\u{3c6}", 8).frame("t = 0.5", &field).frame("t = 0", &field);
    let figure = Figure::new("all", "Everything.").panel(plot).panel(bars).panel(dots).panel(plane).panel(images);
    findings.figure(figure.panel(Plot::new("nothing to draw", "x", "y")));
    let document =
        Document { findings: &findings, command: "stoq reproduce x --report \"p.html\"", seed: (7, 2), seconds: 1.25 };
    let html = document.html().unwrap();
    html::tests::require_well_formed(&html);
    assert_eq!(html.matches("<svg").count(), 5);
    for expected in [
        "&lt;example&gt; &amp;",
        "&quot;p.html&quot;",
        "two-step flow",
        "\u{2212}2.010(10) [\u{2212}1.0]",
        ">7<",
        ">1.2<",
    ] {
        assert!(html.contains(expected), "{expected}");
    }
    let folder = tempfile::tempdir().unwrap();
    findings.figures().for_each(|figure| figure.save(folder.path()).unwrap());
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 5);
    let file = std::fs::read_to_string(folder.path().join("all-5.svg")).unwrap();
    assert!(file.contains("xmlns=") && file.contains("t = 0.5"));
    assert!(Images::new("", "", 7).frame("no rectangle", &[0.0; 64]).svg().is_err());
    assert!(Plane::new("", ("x", 0.0, 1.0), ("y", 0.0, 1.0)).cells("", 3, vec![0.0; 8], false).svg().is_err());
}
