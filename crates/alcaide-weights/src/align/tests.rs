use super::*;
use crate::layout::Layout;
use crate::layout::tests::Made;
use crate::noise::Noise;

fn aligned(
    before: &[f32],
    after: &[f32],
    rows: u64,
    columns: u64,
    sides: Sides,
) -> Result<Alignment, AlignError> {
    let files = [before, after].map(|values| Made::new().floats("w", &[rows, columns], values).bytes());
    let layouts = [0, 1].map(|at| Layout::read(&files[at]).unwrap());
    let open = |at: usize| Numbers::open(&files[at], &layouts[at], &layouts[at].tensors()[0]).unwrap();
    align(&mut open(0), &mut open(1), (rows, columns), sides)
}

/// Pure permutations are found exactly; with noise as large as the weights so are those of one side.
#[test]
fn permutations_are_found() {
    let (rows, columns) = (300, 700);
    let before = Noise::new(1).weights(rows * columns, 1.0);
    let mut noise = Noise::new(2);
    let (row_order, column_order) = (noise.order(rows), noise.order(columns));
    for (sides, sigma) in [
        (Sides::Rows, 0.0),
        (Sides::Rows, 1.0),
        (Sides::Columns, 0.0),
        (Sides::Columns, 1.0),
        (Sides::Both, 0.0),
        (Sides::Both, 0.02),
    ] {
        let mut after = vec![0.0; before.len()];
        for row in 0..rows {
            for column in 0..columns {
                let to_row = if sides == Sides::Columns { row } else { row_order[row] };
                let to_column = if sides == Sides::Rows { column } else { column_order[column] };
                after[to_row * columns + to_column] = before[row * columns + column] + noise.gauss() * sigma;
            }
        }
        let found = aligned(&before, &after, rows as u64, columns as u64, sides).unwrap();
        let wrong = |found: &[u32], order: &[usize]| {
            found.iter().zip(order).filter(|(a, b)| **a as usize != **b).count()
        };
        if sides != Sides::Columns {
            assert_eq!(wrong(&found.rows, &row_order), 0, "{sides:?} {sigma}");
        }
        if sides != Sides::Rows {
            // 300 rows say less of a column than 700 columns of a row.
            assert!(
                wrong(&found.columns, &column_order) <= if sigma > 0.5 { 7 } else { 0 },
                "{sides:?} {sigma}"
            );
        }
        assert!(found.sure_0_1() > 0.97, "{sides:?} {sigma}: {}", found.sure_0_1());
    }
}

#[test]
fn what_is_unrelated_is_still_a_permutation() {
    let unrelated = [Noise::new(1).weights(120 * 64, 1.0), Noise::new(2).weights(120 * 64, 1.0)];
    for (before, after) in [(&unrelated[0], &unrelated[1]), (&vec![0.0; 120 * 64], &vec![0.0; 120 * 64])] {
        for sides in [Sides::Rows, Sides::Columns, Sides::Both] {
            let found = aligned(before, after, 120, 64, sides).unwrap();
            assert!(found.sure_0_1() < 0.2, "{sides:?}: {}", found.sure_0_1());
            for (side, count) in [(found.rows, 120), (found.columns, 64)] {
                let mut sorted = side;
                sorted.sort_unstable();
                assert!(sorted.into_iter().eq(0..count));
            }
        }
    }
}

#[test]
fn sides_that_are_too_long_are_refused() {
    let long = vec![0.0; 1 << 16];
    let count = long.len() as u64;
    for (shape, sides) in [((count, 1), Sides::Rows), ((1, count), Sides::Columns), ((count, 1), Sides::Both)]
    {
        let found = aligned(&long, &long, shape.0, shape.1, sides);
        assert!(matches!(found, Err(AlignError::TooLong { .. })), "{sides:?}");
    }
    assert!(aligned(&long, &long, count, 1, Sides::Neither).is_ok());
    let files = [3, 4].map(|rows| Made::new().floats("w", &[rows, 2], &vec![1.0; rows as usize * 2]).bytes());
    let layouts = [0, 1].map(|at| Layout::read(&files[at]).unwrap());
    let open = |at: usize| Numbers::open(&files[at], &layouts[at], &layouts[at].tensors()[0]).unwrap();
    assert_eq!(align(&mut open(0), &mut open(1), (3, 2), Sides::Rows), Err(AlignError::Shape));
}
