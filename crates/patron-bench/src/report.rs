//! The figures as a text to be read: what was reached beside what was aimed at.

use std::fmt::Write as _;

use crate::database::Description;
use crate::figures::{Figures, FullSpeed, HalfLoad, Setting, Size, Start};

/// Below this share of its core a server could do more than it was asked.
const BUSY_MIN: f64 = 0.9;

/// Stands at rows that are below.
const MARK: &str = "*";

/// All figures.
pub(crate) fn text(figures: &Figures) -> String {
    let Figures { setting, full_speed, half_load, starts, memory, binary } = figures;
    let mut text = heading(setting);
    let marked = full_speed.iter().any(is_marked);
    let rows: Vec<_> = full_speed.iter().map(full_speed_row).collect();
    let columns = [
        "at full speed",
        "per second",
        "min – max",
        "reached",
        "target",
        "",
        "server busy",
        "µs each",
        "load",
        if full_speed.iter().any(|row| row.database_us.is_some()) { "database µs" } else { "" },
    ];
    text.push_str(&table(columns, &rows));
    if marked {
        let _ = writeln!(
            text,
            "{MARK} The server was less than {:.0} % busy: it waited, for the disk or for the load, or \
             other programs took its core.",
            BUSY_MIN * 100.0
        );
    }
    let rows: Vec<_> = half_load.iter().map(half_load_row).collect();
    let columns = ["at half load", "per second", "p50", "target", "", "p99", "target", ""];
    text.push('\n');
    text.push_str(&table(columns, &rows));
    let mut rows: Vec<_> = starts.iter().map(start_row).collect();
    rows.extend(memory.iter().chain([binary]).map(size_row));
    text.push('\n');
    text.push_str(&table(["besides", "", "target", ""], &rows));
    text.trim_end().to_owned()
}

fn heading(setting: &Setting) -> String {
    let Setting {
        program,
        machine,
        server_core,
        load_core,
        is_on_disk,
        is_release_build,
        customers,
        rounds,
        seconds,
        connections,
        database,
    } = setting;
    let mut text = format!(
        "{program} on {machine}\nserver on core {server_core}, load on core {load_core}; {} customers, \
         {connections} connections, median of {rounds} × {seconds} s\n",
        grouped(f64::from(*customers))
    );
    if let Some(database) = database {
        text.push_str(&database_line(database));
    }
    if !is_on_disk {
        text.push_str(
            "The data lay in memory: what creates took says nothing about durable ones.\n",
        );
    }
    if !is_release_build {
        text.push_str("Built for debugging: the figures say nothing about the program.\n");
    }
    text.push('\n');
    text
}

fn database_line(database: &Description) -> String {
    let Description { version, fsync, synchronous_commit, shared_buffers, connections, core } =
        database;
    let place = match core {
        Some(core) => format!("on core {core}"),
        None => "on any core".to_owned(),
    };
    format!(
        "PostgreSQL {version} {place}, {connections} connections; fsync {fsync}, synchronous_commit \
         {synchronous_commit}, shared_buffers {shared_buffers}\n"
    )
}

/// Without a server of ours: a loop, or `pgbench`.
fn is_bare(row: &FullSpeed) -> bool {
    row.name.starts_with("bare") || row.name.starts_with("pgbench")
}

fn is_marked(row: &FullSpeed) -> bool {
    // One that asks a database on the same core is never busy by itself.
    row.server_busy < BUSY_MIN && !is_bare(row) && row.database_us.is_none()
}

fn full_speed_row(row: &FullSpeed) -> [String; 10] {
    let (reached, target, verdict) = match &row.against {
        None => Default::default(),
        Some(against) => {
            let target = against.target.map_or_else(String::new, |target| format!("≥ {target:.2}"));
            let verdict = against.target.map_or("", |target| verdict(against.ratio >= target));
            (format!("{:.2}", against.ratio), target, verdict)
        }
    };
    let is_pgbench = row.name.starts_with("pgbench");
    let mark = if is_marked(row) { MARK } else { "" };
    let share = |busy: f64| format!("{:.0} %", busy * 100.0);
    [
        row.what.to_owned(),
        grouped(row.rate.median),
        format!("{} – {}", grouped(row.rate.min), grouped(row.rate.max)),
        reached,
        target,
        verdict.to_owned(),
        if is_pgbench { String::new() } else { share(row.server_busy) + mark },
        if is_pgbench { String::new() } else { format!("{:.1}", row.server_us) },
        // The loop asks itself.
        if is_bare(row) { String::new() } else { share(row.load_busy) },
        row.database_us.map_or_else(String::new, |us| format!("{us:.1}")),
    ]
}

fn half_load_row(row: &HalfLoad) -> [String; 8] {
    let ms = |ms: f64| format!("{ms:.2} ms");
    let at_most = |ms: f64| format!("≤ {ms} ms");
    [
        row.what.to_owned(),
        grouped(row.rate),
        ms(row.p50_ms),
        at_most(row.p50_target_ms),
        verdict(row.p50_ms <= row.p50_target_ms).to_owned(),
        ms(row.p99_ms),
        at_most(row.p99_target_ms),
        verdict(row.p99_ms <= row.p99_target_ms).to_owned(),
    ]
}

fn start_row(row: &Start) -> [String; 4] {
    [
        format!("{} to its first answer", row.what),
        format!("{:.1} ms", row.median_ms),
        format!("≤ {} ms", row.target_ms),
        verdict(row.median_ms <= row.target_ms).to_owned(),
    ]
}

fn size_row(row: &Size) -> [String; 4] {
    let verdict = row.target_mb.map_or("", |target| verdict(row.mb <= target));
    let target = row.target_mb.map_or(String::new(), |target| format!("≤ {target} MB"));
    [row.what.to_owned(), format!("{:.1} MB", row.mb), target, verdict.to_owned()]
}

const fn verdict(is_reached: bool) -> &'static str {
    if is_reached { "reached" } else { "missed" }
}

/// A whole number with commas between its thousands.
fn grouped(number: f64) -> String {
    let digits = format!("{number:.0}");
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Rows under a heading: the first column begins at the left, the others end at the right.
fn table<const N: usize>(heading: [&str; N], rows: &[[String; N]]) -> String {
    let heading = heading.map(str::to_owned);
    let mut widths = [0; N];
    for row in rows.iter().chain([&heading]) {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let mut text = String::new();
    for row in [&heading].into_iter().chain(rows) {
        let mut line = String::new();
        for (place, (width, cell)) in widths.iter().zip(row).enumerate() {
            // Writing to a string cannot go wrong.
            let _ = match place {
                0 => write!(line, "{cell:width$}"),
                _ => write!(line, "  {cell:>width$}"),
            };
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::figures::Lap;

    #[test]
    fn thousands_are_told_apart() {
        for (number, text) in
            [(0.0, "0"), (999.4, "999"), (1_000.0, "1,000"), (1_234_567.0, "1,234,567")]
        {
            assert_eq!(grouped(number), text);
        }
    }

    #[test]
    fn columns_are_aligned() {
        let rows = [["a".to_owned(), "1".to_owned()], ["büro".to_owned(), "100".to_owned()]];
        assert_eq!(table(["x", "n"], &rows), "x       n\na       1\nbüro  100\n");
    }

    #[test]
    fn a_server_that_could_do_more_is_marked() {
        let row = |name, server_busy| {
            let lap = Lap { rate: 1_000.0, server_busy, database_busy: None, load_busy: 1.0 };
            FullSpeed::of(name, name, vec![lap]).unwrap()
        };
        assert!(is_marked(&row("ceiling", 0.8)));
        assert!(!is_marked(&row("ceiling", 0.95)));
        // It waits for the disk alone.
        assert!(!is_marked(&row("bare", 0.5)));
        assert_eq!(full_speed_row(&row("create", 0.8))[6], "80 %*");
    }
}
