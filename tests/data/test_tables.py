"""House prices, and the plane that is made up."""

from __future__ import annotations

import gzip
import hashlib
from importlib.resources import files

import numpy as np
import pytest

from tinygrad_zh.data import Table, ames, plane, sacramento, standardize


@pytest.mark.parametrize("name", ["ames", "sacramento"])
def test_the_files_are_the_ones_that_were_packed(name):
    folder = files("tinygrad_zh.data") / "files"
    content = gzip.decompress((folder / f"{name}.csv.gz").read_bytes())
    notice = (folder / "HOUSES.md").read_text(encoding="utf-8")
    assert f"{hashlib.sha256(content).hexdigest()}  {name}.csv" in notice


def test_ames():
    table = ames()
    assert table.values.shape == (2930, 14) and table.values.dtype == np.float64
    assert table.names[:2] == ("Gr_Liv_Area", "Year_Built") and table.target_name == "Sale_Price"
    assert table.features("Year_Built", "Gr_Liv_Area")[0].tolist() == [1960, 1656]
    assert table.target[:2].tolist() == [215000, 105000]
    assert np.isfinite(table.values).all() and len(table) == 2930


def test_least_squares_on_ames_explains_what_it_should():
    """R² on the data it was fitted to: columns and prices belong together."""
    table = ames()

    def r_squared(values):
        (scaled,) = standardize(values)
        design = np.column_stack([scaled, np.ones(len(table))])
        left = table.target - design @ np.linalg.lstsq(design, table.target)[0]
        return 1 - left.var() / table.target.var()

    assert round(r_squared(table.features("Gr_Liv_Area")), 2) == 0.50
    assert round(r_squared(table.values), 2) == 0.77


def test_sacramento():
    table = sacramento()
    assert table.names == ("beds", "baths", "sqft", "latitude", "longitude")
    assert table.values.shape == (932, 5) and table.target_name == "price"
    assert table.values[0].tolist() == [2, 1, 836, 38.631913, -121.434879] and table.target[0] == 59222


def test_features_are_a_copy():
    table = plane()
    table.features("x1")[:] = 0
    assert table.values[:, 0].all()


@pytest.mark.parametrize(
    ("names", "told"),
    [
        (("Price",), "unknown column Price; the columns are beds, baths, sqft, latitude, longitude"),
        (("sqft", "zip", "area"), "unknown column zip, area; the columns are beds"),
        ((), "no column was named; the columns are beds"),
    ],
)
def test_unknown_columns_list_the_known_ones(names, told):
    with pytest.raises(ValueError, match=told):
        sacramento().features(*names)


@pytest.mark.parametrize(
    ("names", "values", "target", "told"),
    [
        (("a",), np.zeros((3, 2)), np.zeros(3), r"shape \(3, 2\) do not fit 1 names"),
        (("a",), np.zeros(3), np.zeros(3), r"shape \(3,\) do not fit 1 names"),
        (("a",), np.zeros((3, 1)), np.zeros(2), "different length"),
        (("a",), np.zeros((3, 1)), np.zeros((3, 1)), r"target must have shape \(n,\), got \(3, 1\)"),
        ((), np.zeros((0, 0)), np.zeros(0), "empty"),
    ],
)
def test_tables_that_do_not_fit(names, values, target, told):
    with pytest.raises(ValueError, match=told):
        Table(names, values, "y", target)


def test_plane_is_a_plane_with_noise_of_variance_1():
    table = plane(100_000, noise=0.3, seed=1)
    assert abs(table.target.var() - 1) < 0.02 and abs(table.target.mean()) < 0.02
    (x,) = standardize(table.values)
    weights, residual, *_ = np.linalg.lstsq(x, table.target)
    np.testing.assert_allclose(weights, np.sqrt(1 - 0.3**2) * np.array([0.6, -0.8]), atol=0.01)
    assert abs(residual[0] / 100_000 - 0.3**2) < 0.002


def test_plane_without_noise_and_of_noise_alone():
    table = plane(50, noise=0)
    design = np.column_stack([table.values, np.ones(50)])
    np.testing.assert_allclose(design @ np.linalg.lstsq(design, table.target)[0], table.target, atol=1e-12)
    assert abs(np.corrcoef(plane(10_000, noise=1).values[:, 0], plane(10_000, noise=1).target)[0, 1]) < 0.05


def test_plane_depends_on_the_seed_alone():
    np.testing.assert_array_equal(plane(seed=3).values, plane(seed=3).values)
    np.testing.assert_array_equal(plane(seed=3).target, plane(seed=3).target)
    assert not np.array_equal(plane(seed=3).values, plane(seed=4).values)
    assert plane().values.shape == (100, 2) and len(plane(1)) == 1


@pytest.mark.parametrize("bad", [{"samples": 0}, {"noise": -0.1}, {"noise": 1.1}, {"noise": float("nan")}])
def test_impossible_planes(bad):
    with pytest.raises(ValueError, match=next(iter(bad))):
        plane(**bad)
