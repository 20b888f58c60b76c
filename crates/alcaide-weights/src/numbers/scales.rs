//! The scales that a file declares beside a quantised tensor, as a grid over its rows and columns.

use alcaide_container::Input;

use super::{Dtype, Numbers, NumbersError};
use crate::layout::{Layout, Tensor};

/// Most scales of one tensor: a group of 32 over 2^31 weights.
const SCALES_MAX: u64 = 1 << 26;

pub(super) struct Scales {
    rows_each: u64,
    columns_each: u64,
    columns: u64,
    /// Scales in one row of the grid.
    across: u64,
    scale: Vec<f32>,
    zero: Option<Vec<f32>>,
}

impl Scales {
    /// Of `tensor`, if the file has any.
    pub(super) fn find(
        input: &dyn Input,
        layout: &Layout,
        tensor: &Tensor,
    ) -> Result<Option<Self>, NumbersError> {
        let found =
            ["_scale", "_scale_inv"].iter().find_map(|end| layout.find(&format!("{}{end}", tensor.name)));
        let Some(found) = found else { return Ok(None) };
        let unfit = || NumbersError::Scales { name: crate::cut(&found.name) };
        let columns = tensor.shape.last().copied().unwrap_or(1).max(1);
        let rows = tensor.count() / columns;
        let (down, across) = match found.shape.as_slice() {
            [] => (1, 1),
            [one] if *one == rows || *one == 1 => (*one, 1),
            [down, across] => (*down, *across),
            _ => return Err(unfit()),
        };
        if down == 0 || across == 0 || down > rows.max(1) || across > columns || found.count() > SCALES_MAX {
            return Err(unfit());
        }
        let scale = whole(input, layout, found)?;
        let zero = match layout.find(&format!("{}_zero_point", tensor.name)) {
            Some(zero) if zero.count() == found.count() => Some(whole_numbers(input, layout, zero)?),
            Some(zero) => return Err(NumbersError::Scales { name: crate::cut(&zero.name) }),
            None => None,
        };
        let (rows_each, columns_each) = (rows.max(1).div_ceil(down), columns.div_ceil(across));
        Ok(Some(Self { rows_each, columns_each, columns, across, scale, zero }))
    }

    /// Scales the numbers from the `at`-th on.
    pub(super) fn apply(&self, at: u64, out: &mut [f32]) {
        let (mut at, mut rest) = (at, out);
        while !rest.is_empty() {
            let (row, column) = (at / self.columns, at % self.columns);
            let left = (self.columns_each - column % self.columns_each).min(self.columns - column);
            let run = usize::try_from(left).unwrap_or(usize::MAX).min(rest.len());
            let (now, later) = rest.split_at_mut(run);
            let place = row / self.rows_each * self.across + column / self.columns_each;
            let place = usize::try_from(place).unwrap_or(usize::MAX);
            let scale = self.scale.get(place).copied().unwrap_or(0.0);
            let zero = self.zero.as_ref().and_then(|zero| zero.get(place)).copied().unwrap_or(0.0);
            for value in now {
                *value = (*value - zero) * scale;
            }
            at += run as u64;
            rest = later;
        }
    }
}

fn whole(input: &dyn Input, layout: &Layout, tensor: &Tensor) -> Result<Vec<f32>, NumbersError> {
    if !matches!(tensor.dtype, Dtype::F64 | Dtype::F32 | Dtype::F16 | Dtype::Bf16) {
        return Err(NumbersError::Scales { name: crate::cut(&tensor.name) });
    }
    let mut out = Vec::new();
    Numbers::open(input, layout, tensor)?.each(|_, piece| out.extend_from_slice(piece))?;
    Ok(out)
}

/// Zero points: whole numbers of 8 bits, or floats.
fn whole_numbers(input: &dyn Input, layout: &Layout, tensor: &Tensor) -> Result<Vec<f32>, NumbersError> {
    if !matches!(tensor.dtype, Dtype::I8 | Dtype::U8) {
        return whole(input, layout, tensor);
    }
    let mut raw = vec![0; usize::try_from(tensor.bytes).unwrap_or_default()];
    super::fill(input, tensor.start, &mut raw)?;
    let mut out = vec![0.0; raw.len()];
    super::plain::decode(&tensor.dtype, None, &raw, &mut out);
    Ok(out)
}
