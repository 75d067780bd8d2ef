import io
import struct

import numpy as np
import pytest
from hypothesis import given, settings, strategies
from PIL import Image, ImageOps

from jaxdl.data import crops
from jaxdl.data.crops import Rectangle, cut_out_by_opencv, cut_out_by_pillow, read_random_crop
from jaxdl.data.pictures import read_photograph
from jaxdl.errors import BrokenFileError

BOTH = pytest.mark.parametrize("cut_out", [cut_out_by_pillow, cut_out_by_opencv])
PICTURE = Rectangle(0, 0, 90, 60)


def paint(width=90, height=60, mode="RGB"):
    """Draws smooth colours, other ones in each corner."""
    grid = np.random.default_rng(0).integers(0, 256, (3, 4, 3), np.uint8)
    picture = Image.fromarray(grid).resize((width, height), Image.Resampling.BICUBIC)
    return picture.convert(mode)


def encode(picture, kind="JPEG", **options):
    file = io.BytesIO()
    picture.save(file, kind, **({"quality": 95} if kind == "JPEG" else {}), **options)
    return file.getvalue()


def draws(seed):
    return np.random.default_rng(seed).random(crops.DRAWS)


def cut(cut_out, content, rectangle, side):
    if cut_out is cut_out_by_opencv:
        return cut_out(content, rectangle, side)
    with Image.open(io.BytesIO(content)) as file:
        return cut_out(file, rectangle, side)


def difference(a, b):
    return np.abs(np.asarray(a, float) - np.asarray(b, float)).mean()


@given(strategies.integers(1, 400), strategies.integers(1, 400), strategies.integers(0, 9))
def test_rectangles_are_inside_and_as_large_as_asked(width, height, seed):
    part = crops._random_rectangle((width, height), draws(seed), 0.3)
    assert part.width > 0
    assert part.height > 0
    assert 0 <= part.left <= width - part.width
    assert 0 <= part.top <= height - part.height
    if min(width, height) > 50 and max(width, height) < 3 * min(width, height):
        assert part.width * part.height > 0.25 * width * height
        assert 0.7 < part.width / part.height < 1.4


@BOTH
@settings(max_examples=30, deadline=None)
@given(strategies.data())
def test_the_rectangle_is_what_pillow_crops_and_resizes(cut_out, data):
    height, width = (data.draw(strategies.integers(28, 47)) for _ in range(2))
    left, top = (data.draw(strategies.integers(0, end)) for end in (90 - width, 60 - height))
    picture = paint()
    expected = picture.crop((left, top, left + width, top + height)).resize(
        (24, 24), Image.Resampling.BILINEAR
    )
    result = cut(cut_out, encode(picture), Rectangle(left, top, width, height), 24)
    assert (result.shape, result.dtype) == ((24, 24, 3), np.uint8)
    assert difference(result, expected) < 5


@BOTH
@pytest.mark.parametrize("size", [(901, 603), (450, 300), (200, 133)])
def test_large_pictures_are_reduced_while_they_are_decoded(cut_out, size):
    picture = paint(*size)
    part = (size[0] // 8, size[1] // 8, size[0] // 2, size[1] // 2)
    left, top, width, height = part
    expected = picture.crop((left, top, left + width, top + height)).resize((16, 16))
    assert difference(cut(cut_out, encode(picture), Rectangle(*part), 16), expected) < 4


@pytest.mark.parametrize("extra", [True, False])
@pytest.mark.parametrize(
    ("mode", "kind"),
    [("L", "JPEG"), ("CMYK", "JPEG"), ("RGBA", "PNG"), ("P", "GIF"), ("RGB", "WebP")],
)
def test_every_kind_of_picture_is_cropped(monkeypatch, extra, mode, kind):
    without_the_extra_unless(monkeypatch, extra)
    crop = read_random_crop(encode(paint(mode=mode), kind), 20, draws(0), 0.5)
    plain = read_random_crop(encode(paint()), 20, draws(0), 0.5)
    expected = Image.fromarray(plain).convert("L").convert("RGB") if mode == "L" else plain
    assert difference(crop, expected) < 12


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WebP", "TIFF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_pictures_are_turned_upright(kind, orientation):
    exif = Image.Exif()
    exif[crops.ORIENTATION] = orientation
    options = {"lossless": True} if kind == "WebP" else {}
    content = encode(paint(60, 60), kind, exif=exif, **options)
    turned = read_random_crop(content, 20, draws(0), 1.0)
    upright = paint(60, 60)
    upright.getexif()[crops.ORIENTATION] = orientation
    expected = ImageOps.exif_transpose(upright).resize((20, 20), Image.Resampling.BILINEAR)
    assert difference(turned, expected) < 4


def test_a_crop_and_a_prediction_see_the_same():
    transparent = encode(Image.new("RGB", (40, 40), "red"), "PNG", transparency=(255, 0, 0))
    dark = np.full((40, 40), 6554, np.uint16)  # a tenth of the brightest
    dark[0, 0] = 65535
    for content, expected in ((transparent, 255), (encode(Image.fromarray(dark), "PNG"), 26)):
        assert np.median(read_photograph(content, 40)) == expected
        for seed in range(5):
            crop = read_random_crop(content, 10, draws(seed), 0.2)
            assert np.median(crop) == expected


@pytest.mark.parametrize("extra", [True, False])
def test_half_a_file_is_broken(monkeypatch, extra):
    without_the_extra_unless(monkeypatch, extra)
    content = encode(paint(400, 300))
    with pytest.raises(BrokenFileError, match="cannot be read as an image"):
        read_random_crop(content[: len(content) // 2], 20, draws(0), 0.5)


def without_the_extra_unless(monkeypatch, extra):
    """As where the libraries of the extra are not installed, if they should not be there."""
    if not extra:
        monkeypatch.setattr(crops, "_libraries", lambda: None)


def test_a_damaged_jpeg_is_left_to_pillow(monkeypatch):
    content = encode(paint(400, 300))
    assert crops.size_of_plain_jpeg(content) == (400, 300)
    assert cut_out_by_opencv(content[: len(content) // 2], Rectangle(0, 0, 400, 300), 20) is None
    without_the_extra_unless(monkeypatch, False)
    expected = read_random_crop(content, 20, draws(0), 1.0)
    monkeypatch.undo()
    monkeypatch.setattr(crops, "cut_out_by_opencv", lambda *_: None)
    np.testing.assert_array_equal(read_random_crop(content, 20, draws(0), 1.0), expected)


@pytest.mark.parametrize("mode", ["L", "CMYK"])
def test_pillow_decodes_what_is_no_plain_jpeg(mode):
    exif = Image.Exif()
    exif[crops.ORIENTATION] = 6
    xmp = b'http://ns.adobe.com/xap/1.0/\0<rdf:Description tiff:Orientation="3"/>'
    segment = b"\xff\xe1" + struct.pack(">H", 2 + len(xmp)) + xmp
    turned = encode(paint()).replace(b"\xff\xd8", b"\xff\xd8" + segment, 1)
    for content in (
        encode(paint(mode=mode)),
        encode(paint(), exif=exif),
        turned,
        b"",
        b"\xff\xd8\xff",
    ):
        assert crops.size_of_plain_jpeg(content) is None


def test_a_large_file_is_not_read_at_once(tmp_path, monkeypatch):
    file = tmp_path / "picture.jpg"
    file.write_bytes(encode(paint()))
    assert crops._content(file) == file.read_bytes()
    monkeypatch.setattr(crops, "MOST_BYTES", 100)
    assert crops._content(file) == b""
    assert crops._content(tmp_path) == crops._content(tmp_path / "missing.jpg") == b""
