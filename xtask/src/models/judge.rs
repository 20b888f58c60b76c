//! Figures against bars. Rates by the processor-second and ratios of one run say something on a busy machine; times on the wall do not.

use serde_json::{Value, json};

use crate::bench::table::{Bar, Figure, Row, Standing};
use crate::models::Extent;
use crate::models::corpus::Score;
use crate::models::cost::{Cost, Costs};
use crate::models::tasks::{
    AGAIN, Bomb, OURS, PARTS_ALL, PARTS_ONE, REFERENCE, SCAN_TORCH, SCAN_WEIGHTS, SIGN, SMALL, VERIFY,
};

/// All rows.
pub(crate) fn rows(scores: &[Score], costs: &Costs, bombs: &[Bomb], extent: Extent) -> Vec<Row> {
    let mut rows = corpus_rows(scores);
    rows.extend(cost_rows(costs, extent));
    rows.extend(bomb_rows(bombs));
    rows
}

fn corpus_rows(scores: &[Score]) -> Vec<Row> {
    let (ours, theirs): (Vec<&Score>, Vec<&Score>) = scores.iter().partition(|score| score.who == OURS);
    let Some(ours) = ours.first() else { return Vec::new() };
    let share = |score: &Score| percent(score.found, score.malicious);
    let mut rows = vec![
        row("malicious files of the corpus found", Some(share(ours)), Bar::Least(100.0, None), " %"),
        row(
            "of high and critical ones",
            Some(percent(ours.grave_found, ours.grave)),
            Bar::Least(100.0, None),
            " %",
        ),
        row("benign files called unsafe", Some(count(ours.falsely())), Bar::Most(1.0, Some(0.0)), ""),
        row("malicious files of which nothing is said", Some(count(ours.silent)), Bar::Most(0.0, None), ""),
    ];
    let best = theirs.iter().max_by(|a, b| share(a).total_cmp(&share(b)));
    rows.push(row(
        &best.map_or("found, over the best of the others".to_owned(), |best| {
            format!("found, over the best of the others ({}, {:.0} %)", best.who, share(best))
        }),
        best.map(|best| share(ours) - share(best)),
        Bar::Least(0.0, Some(10.0)),
        " points",
    ));
    rows
}

fn cost_rows(costs: &Costs, extent: Extent) -> Vec<Row> {
    let cpu = |task, who| costs.median(task, who, |cost| cost.cpu_s);
    let wall = |task, who| costs.median(task, who, |cost| cost.wall_s);
    let mib = |task| costs.median(task, OURS, |cost: &Cost| cost.most_mib);
    let megabytes = f64::from(extent.mib) * 1.048_576;
    let ratio = |task, who| Some(cpu(task, who)? / cpu(task, OURS)?);
    let gigabyte = 1_073.741_824 / megabytes;
    vec![
        row(
            &format!("{SCAN_WEIGHTS}, MB by the CPU second"),
            cpu(SCAN_WEIGHTS, OURS).map(|cpu_s| megabytes / cpu_s),
            Bar::Least(1_000.0, None),
            "",
        ),
        row(
            "the same, CPU of modelaudit over ours",
            ratio(SCAN_WEIGHTS, "modelaudit"),
            Bar::Least(5.5, None),
            "×",
        ),
        row(
            &format!("{SCAN_TORCH}, MB by the CPU second"),
            cpu(SCAN_TORCH, OURS).map(|cpu_s| megabytes / 2.0 / cpu_s),
            Bar::Least(1_000.0, None),
            "",
        ),
        row(
            "the same, CPU of modelaudit over ours",
            ratio(SCAN_TORCH, "modelaudit"),
            Bar::Least(5.0, None),
            "×",
        ),
        row(
            "the same, CPU of modelscan (without TensorFlow it reads no weights) over ours",
            ratio(SCAN_TORCH, "modelscan"),
            Bar::Least(9.0, None),
            "×",
        ),
        row(
            "sign, CPU seconds by the GiB",
            cpu(SIGN, OURS).map(|cpu_s| cpu_s * gigabyte),
            Bar::Most(0.95, None),
            " s",
        ),
        row(
            "verify, CPU seconds by the GiB",
            cpu(VERIFY, OURS).map(|cpu_s| cpu_s * gigabyte),
            Bar::Most(0.95, None),
            " s",
        ),
        row("sign, CPU of model_signing over ours", ratio(SIGN, REFERENCE), Bar::Least(1.0, Some(1.5)), "×"),
        row(
            "verify, CPU of model_signing over ours",
            ratio(VERIFY, REFERENCE),
            Bar::Least(1.0, Some(1.5)),
            "×",
        ),
        row("verify, memory", mib(VERIFY), Bar::Most(20.0, None), " MiB"),
        row(AGAIN, wall(AGAIN, OURS).map(|wall_s| wall_s * 1e3), Bar::Most(10.0, None), " ms"),
        row(
            "sign eight files, all cores over one, by the wall",
            wall(PARTS_ONE, OURS).zip(wall(PARTS_ALL, OURS)).map(|(one, all)| one / all),
            Bar::Least(1.8, None),
            "×",
        ),
        row(SMALL, wall(SMALL, OURS).map(|wall_s| wall_s * 1e3), Bar::Most(8.0, None), " ms"),
        row("the same, CPU time", cpu(SMALL, OURS).map(|cpu_s| cpu_s * 1e3), Bar::Most(8.0, None), " ms"),
        row(
            "the same, wall of picklescan over ours",
            wall(SMALL, "picklescan").zip(wall(SMALL, OURS)).map(|(theirs, ours)| theirs / ours),
            Bar::Least(10.0, None),
            "×",
        ),
    ]
}

fn bomb_rows(bombs: &[Bomb]) -> Vec<Row> {
    let most =
        |hole: bool| bombs.iter().filter(|bomb| bomb.hole == hole).map(Bomb::mib).max_by(f64::total_cmp);
    let unjudged = bombs.iter().filter(|bomb| bomb.verdict.starts_with("none")).count();
    let slowest = bombs.iter().filter(|bomb| !bomb.hole).map(|bomb| bomb.cost.wall_s).max_by(f64::total_cmp);
    let clean = bombs.iter().filter(|bomb| !bomb.hole && bomb.verdict == "clean").count();
    vec![
        row("memory over a file of holes", most(true), Bar::Most(64.0, None), " MiB"),
        row("memory over every bomb", most(false), Bar::Most(64.0, None), " MiB"),
        row("bombs without a verdict", Some(count(unjudged)), Bar::Most(0.0, None), ""),
        row("bombs called clean", Some(count(clean)), Bar::Most(0.0, None), ""),
        row("the slowest bomb", slowest, Bar::Most(30.0, None), " s"),
    ]
}

fn row(what: &str, figure: Option<f64>, bar: Bar, unit: &'static str) -> Row {
    let figure = figure.map_or_else(|| Figure::Missing("see above".to_owned()), Figure::Of);
    Row { what: what.to_owned(), figure, bar, unit }
}

/// A row for programs.
pub(crate) fn row_told(row: &Row) -> Value {
    let figure = match &row.figure {
        Figure::Of(figure) => json!(figure),
        Figure::Missing(_) => Value::Null,
    };
    let (side, bar) = match row.bar {
        Bar::Most(bar, _) => ("most", bar),
        Bar::Least(bar, _) => ("least", bar),
    };
    let met = match row.standing() {
        Standing::Stretch | Standing::Met => json!(true),
        Standing::Missed => json!(false),
        Standing::Unmeasured => Value::Null,
    };
    json!({ "what": row.what, "figure": figure, side: bar, "unit": row.unit.trim(), "met": met })
}

fn percent(part: usize, whole: usize) -> f64 {
    100.0 * count(part) / count(whole).max(1.0)
}

/// Numbers of files are far below 2^52.
fn count(number: usize) -> f64 {
    number as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cost(cpu_s: f64, most_mib: f64) -> Cost {
        Cost { code: 0, late: false, wall_s: cpu_s, cpu_s, most_mib, tree_mib: None }
    }

    fn figure<'a>(rows: &'a [Row], what: &str) -> &'a Row {
        rows.iter().find(|row| row.what.starts_with(what)).unwrap_or_else(|| panic!("{what}"))
    }

    #[test]
    fn rates_are_by_the_bytes_that_were_there_and_what_nobody_measured_is_not_met() {
        let extent = Extent { mib: 512, rounds: 1, small: 1, holes_gib: 1 };
        let mut costs = Costs::default();
        costs.add(SCAN_WEIGHTS, OURS, cost(0.5, 1.0));
        costs.add(SCAN_WEIGHTS, "modelaudit", cost(3.0, 1.0));
        costs.add(VERIFY, OURS, cost(0.5, 30.0));
        let rows = cost_rows(&costs, extent);
        let Figure::Of(rate) = figure(&rows, SCAN_WEIGHTS).figure else { panic!() };
        assert!((rate - 1_073.74).abs() < 0.01, "{rate}");
        let told = row_told(figure(&rows, "verify, CPU"));
        assert_eq!((told["figure"].as_f64(), &told["met"]), (Some(1.0), &json!(false)));
        assert_eq!(figure(&rows, "verify, memory").standing(), Standing::Missed);
        assert_eq!(figure(&rows, "the same, CPU of modelaudit").standing(), Standing::Met);
        assert_eq!(figure(&rows, SCAN_TORCH).standing(), Standing::Unmeasured);
        assert_eq!(row_told(figure(&rows, SCAN_TORCH))["met"], Value::Null);
    }

    #[test]
    fn one_bomb_without_a_verdict_or_over_its_memory_is_missed() {
        let bomb = |verdict: &str, mib, hole| Bomb {
            name: "b".into(),
            verdict: verdict.into(),
            cost: Cost { tree_mib: Some(mib), ..cost(1.0, 1.0) },
            hole,
        };
        let good = bomb_rows(&[bomb("unsafe", 60.0, false), bomb("clean", 60.0, true)]);
        assert!(good.iter().all(|row| row.standing() == Standing::Met), "{good:?}");
        let bad = bomb_rows(&[
            bomb("clean", 1.0, false),
            bomb("none: too long", 65.0, false),
            bomb("clean", 65.0, true),
        ]);
        let missed: Vec<_> = bad
            .iter()
            .filter(|row| row.standing() == Standing::Missed)
            .map(|row| row.what.as_str())
            .collect();
        assert_eq!(
            missed,
            [
                "memory over a file of holes",
                "memory over every bomb",
                "bombs without a verdict",
                "bombs called clean"
            ]
        );
    }

    #[test]
    fn the_corpus_is_held_against_the_best_of_the_others() {
        let score = |who, found, silent| Score { who, malicious: 10, found, silent, ..Score::default() };
        let rows = corpus_rows(&[score(OURS, 9, 1), score("a", 4, 6), score("b", 8, 0)]);
        assert_eq!(rows.last().unwrap().what, "found, over the best of the others (b, 80 %)");
        assert_eq!(rows.last().unwrap().standing(), Standing::Stretch);
        assert_eq!(figure(&rows, "malicious files of which").standing(), Standing::Missed);
    }
}
