"""Conv2d and the poolings over windows: numbers worked out by hand, the errors, and how they show."""

from __future__ import annotations

import re

import numpy as np
import pytest

import tinygrad_zh as tz
from tinygrad_zh import functional as F
from tinygrad_zh import nn
from tinygrad_zh.check import check_model
from tinygrad_zh.nn import init

pytestmark = pytest.mark.usefixtures("in_float64")


def normal(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


IMAGE = np.arange(9.0).reshape(1, 1, 3, 3)  # 0 1 2 / 3 4 5 / 6 7 8


def test_a_convolution_worked_out_by_hand():
    W = np.array([[[[1.0, 2.0], [3.0, 4.0]]]])  # 0·1 + 1·2 + 3·3 + 4·4 = 27
    assert F.conv2d(IMAGE, W, np.array([100.0])).tolist() == [[[[127.0, 137.0], [157.0, 167.0]]]]


def test_padding_and_stride_worked_out_by_hand():
    W = np.ones((1, 1, 2, 2))
    assert F.conv2d(IMAGE, W, stride=2, padding=1).tolist() == [[[[0.0, 3.0], [9.0, 24.0]]]]
    assert F.conv2d(IMAGE, W, stride=(1, 2), padding=(0, 1)).tolist() == [[[[3.0, 12.0], [9.0, 24.0]]]]


def test_a_kernel_of_one_pixel_mixes_the_channels_and_one_as_large_as_the_image_is_a_dense_layer():
    x, W = normal(3, 4, 5, 6), normal(2, 4, 1, 1, seed=1)
    np.testing.assert_allclose(F.conv2d(x, W), np.einsum("ncij,oc->noij", x, W[:, :, 0, 0]), rtol=1e-13)
    W = normal(2, 4, 5, 6, seed=2)
    np.testing.assert_allclose(F.conv2d(x, W)[:, :, 0, 0], x.reshape(3, -1) @ W.reshape(2, -1).T, rtol=1e-12)


def test_the_poolings_worked_out_by_hand():
    assert F.max_pool2d(IMAGE, 2, stride=1).tolist() == [[[[4.0, 5.0], [7.0, 8.0]]]]
    assert F.max_pool2d(-IMAGE, 2, padding=1).tolist() == [[[[0.0, -1.0], [-3.0, -4.0]]]]  # not the padding's zero
    assert F.avg_pool2d(IMAGE, 2, stride=1).tolist() == [[[[2.0, 3.0], [5.0, 6.0]]]]
    assert F.avg_pool2d(IMAGE, 2, padding=1).tolist() == [[[[0.0, 0.75], [2.25, 6.0]]]]  # the padding counts
    assert F.max_pool2d(IMAGE, 2).tolist() == [[[[4.0]]]]  # the last row and column fit no window


def test_the_gradient_of_a_pixel_in_several_windows_adds_up():
    x = tz.tensor(np.zeros((1, 1, 3, 3)), requires_grad=True)
    F.conv2d(x, np.ones((1, 1, 2, 2))).sum().backward()
    assert x.grad.tolist() == [[[[1, 2, 1], [2, 4, 2], [1, 2, 1]]]]


def test_the_gradient_of_equal_maxima_goes_to_the_first_of_each_window():
    x = tz.tensor(np.zeros((1, 1, 3, 3)), requires_grad=True)
    F.max_pool2d(x, 2, stride=1).sum().backward()
    assert x.grad.tolist() == [[[[1, 1, 0], [1, 1, 0], [0, 0, 0]]]]


def test_a_small_network_passes_the_gradient_check():
    tz.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(2, 3, 3, padding=1), nn.Tanh(), nn.MaxPool2d(2), nn.Conv2d(3, 2, 2, stride=2),
                          nn.AvgPool2d(2, stride=1, padding=1), nn.Flatten(), nn.Dense(12, 3))
    assert check_model(model, (normal(2, 2, 8, 6), np.array([0, 2])), F.cross_entropy)


def test_the_layer_is_the_function_of_its_parameters():
    layer = nn.Conv2d(2, 3, (2, 1), stride=2, padding=(1, 0))
    layer.b.assign(normal(3))
    x = normal(4, 2, 5, 6)
    np.testing.assert_array_equal(layer(x).numpy(), F.conv2d(x, layer.W.numpy(), layer.b.numpy(), 2, (1, 0)))
    assert nn.Conv2d(2, 3, 3, bias=False).b is None
    np.testing.assert_array_equal(nn.MaxPool2d(2, padding=1)(x), F.max_pool2d(x, 2, padding=1))
    np.testing.assert_array_equal(nn.AvgPool2d((2, 3), 1)(x), F.avg_pool2d(x, (2, 3), 1))


def test_the_dtype_of_single_precision_stays():
    layer = nn.Sequential(nn.Conv2d(1, 2, 3), nn.MaxPool2d(2), nn.AvgPool2d(2))
    for p in layer.parameters():
        p.assign(p.numpy())
    x = tz.tensor(normal(2, 1, 8, 8), np.float32, requires_grad=True)
    y = F.avg_pool2d(F.max_pool2d(F.conv2d(x, np.ones((2, 1, 3, 3), np.float32)), 2), 2)
    y.sum().backward()
    assert y.dtype == x.grad.dtype == np.float32


def test_no_image_gives_no_result_and_zero_gradients():
    W = tz.tensor(normal(3, 2, 2, 2), requires_grad=True)
    y = F.max_pool2d(F.conv2d(np.zeros((0, 2, 5, 5)), W), 2)
    assert y.shape == (0, 3, 2, 2)
    y.sum().backward()
    assert not W.grad.numpy().any()


def test_the_weights_of_a_convolution_have_the_fans_of_its_units():
    assert init.fans((8, 3, 5, 2)) == (30, 80)  # a unit sums 3·5·2 pixels, a pixel feeds 8·5·2 of them
    w = init.he_uniform((64, 32, 3, 3))
    assert np.abs(w).max() <= (6 / 288) ** 0.5
    assert w.var() == pytest.approx(2 / 288, rel=0.02)


def test_how_the_layers_show():
    assert repr(nn.Conv2d(1, 8, 3)) == "Conv2d(1 → 8, 3 × 3)"
    assert repr(nn.Conv2d(1, 8, (3, 5), 2, (1, 0))) == "Conv2d(1 → 8, 3 × 5, stride 2, padding 1 × 0)"
    assert repr(nn.MaxPool2d(2)) == "MaxPool2d(2 × 2)"
    assert repr(nn.AvgPool2d(3, 2, 1)) == "AvgPool2d(3 × 3, stride 2, padding 1)"


X = np.zeros((2, 3, 5, 4))
REFUSED = [
    (lambda: F.conv2d(X[0], np.ones((1, 3, 2, 2))), ValueError,
     "conv2d takes images (n, channels, height, width), not (3, 5, 4); x[:, None] gives grey images their one channel"),
    (lambda: F.conv2d(X[0, 0], np.ones((1, 3, 2, 2))), ValueError, "(n, channels, height, width), not (5, 4)"),
    (lambda: F.conv2d(X, np.ones((3, 2, 2))), ValueError,
     "the weights W are (out channels, in channels, height, width), not (3, 2, 2)"),
    (lambda: F.conv2d(X, np.ones((1, 2, 2, 2))), ValueError,
     "x (2, 3, 5, 4) has 3 channels, W (1, 2, 2, 2) is for 2"),
    (lambda: F.conv2d(X, np.ones((4, 3, 2, 2)), np.ones(3)), ValueError,
     "the bias of 4 output channels is (4,), not (3,)"),
    (lambda: F.conv2d(X, np.ones((1, 3, 2, 5))), ValueError, "a kernel of 2 × 5 is larger than the image of 5 × 4"),
    (lambda: F.conv2d(X, np.ones((1, 3, 8, 2)), padding=1), ValueError, "the image of 5 × 4 with padding (1, 1)"),
    (lambda: F.conv2d(X, np.ones((1, 3, 0, 2))), ValueError, "kernel is at least 1, not (0, 2)"),
    (lambda: F.conv2d(X, np.ones((1, 3, 2, 2)), stride=0), ValueError, "stride is at least 1, not 0"),
    (lambda: F.conv2d(X, np.ones((1, 3, 2, 2)), padding=-1), ValueError, "padding is at least 0, not -1"),
    (lambda: F.conv2d(X, np.ones((1, 3, 2, 2)), padding="same"), TypeError,
     "padding is a whole number or a pair of them, not 'same'"),
    (lambda: F.conv2d(X, np.ones((1, 3, 2, 2)), stride=(1, 2, 1)), TypeError, "a whole number or a pair of them"),
    (lambda: F.max_pool2d(X, 2.0), TypeError, "max_pool2d: kernel is a whole number or a pair of them, not 2.0"),
    (lambda: F.max_pool2d(X, 2, padding=2), ValueError, "with padding (2, 2) a window of 2 × 2 may see nothing"),
    (lambda: F.avg_pool2d(X, (2, 5)), ValueError, "avg_pool2d: a kernel of 2 × 5 is larger than the image of 5 × 4"),
    (lambda: nn.Conv2d(0, 1, 2), ValueError, "Conv2d: inputs is at least 1, not 0"),
    (lambda: nn.Conv2d(1, 1, "3"), TypeError, "Conv2d: kernel is a whole number or a pair of them, not '3'"),
    (lambda: nn.AvgPool2d(0), ValueError, "AvgPool2d: kernel is at least 1, not 0"),
    (lambda: nn.Conv2d(1, 8, 3)(X), ValueError, "Conv2d(1 → 8, 3 × 3) takes (n, 1, height, width), not (2, 3, 5, 4)"),
    (lambda: nn.Conv2d(1, 8, 3)(X[0]), ValueError, "not (3, 5, 4); x[:, None] gives grey images their one channel"),
]


@pytest.mark.parametrize(("call", "error", "sentence"), REFUSED)
def test_what_does_not_fit_is_one_sentence(call, error, sentence):
    with pytest.raises(error, match=re.escape(sentence)) as caught:
        call()
    assert "\n" not in str(caught.value)
