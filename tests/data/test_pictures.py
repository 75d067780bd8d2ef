import itertools
import os
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings, strategies
from PIL import Image, ImageDraw

from jaxdl.data.catalog import CATALOG
from jaxdl.data.pictures import MOST_PIXELS, read_photograph, read_picture
from jaxdl.errors import UserError

MODES = ("L", "RGB", "RGBA", "P", "1", "CMYK", "I;16", "LA")


def draw_seven(size=(120, 120), box=(0.3, 0.2, 0.7, 0.8), width=0.1, ink=255, paper=0):
    """Draws a seven in a box, whose edges are relative to the width and the height."""
    picture = Image.new("L", size, paper)
    left, top, right, bottom = np.array(box) * (size * 2)
    stroke = round(width * min(size))
    points = [(left, top), (right, top), ((left + right) / 2, bottom)]
    ImageDraw.Draw(picture).line(points, fill=ink, width=stroke, joint="curve")
    return picture


def convert(picture, mode):
    if mode == "I;16":
        return Image.fromarray(np.asarray(picture, np.uint16) * 257)
    return picture.convert(mode)


@pytest.fixture
def read(tmp_path):
    def save_and_read(picture, name="picture.png", dataset="mnist", **options):
        picture.save(tmp_path / name, **options)
        return read_picture(tmp_path / name, dataset)

    return save_and_read


@pytest.fixture
def expected(read):
    return read(draw_seven())


def difference(image, other):
    """Returns the share of the ink that differs, up to a shift of one pixel.

    A centre of mass may be rounded up in one image and down in the other.
    """
    moves = itertools.product((-1, 0, 1), (-1, 0, 1))
    moved = (np.roll(image.astype(float), move, (0, 1)) for move in moves)
    return min(np.abs(candidate - other).sum() for candidate in moved) / other.sum()


def assert_alike(image, expected):
    assert (image.shape, image.dtype) == ((28, 28, 1), np.uint8)
    assert difference(image, expected) < 0.08


@pytest.mark.parametrize(("ink", "paper"), [(255, 0), (0, 255), (200, 90), (20, 120)])
@pytest.mark.parametrize("mode", [mode for mode in MODES if mode != "1"])
def test_mode_polarity_and_contrast_do_not_matter(read, expected, mode, ink, paper):
    name = "picture.tiff" if mode == "CMYK" else "picture.png"
    assert_alike(read(convert(draw_seven(ink=ink, paper=paper), mode), name), expected)


@pytest.mark.parametrize("ink", [0, 255])
def test_two_colours_are_enough(read, expected, ink):
    assert_alike(read(draw_seven(ink=ink, paper=255 - ink).convert("1")), expected)


@pytest.mark.parametrize(("grey", "hidden"), list(itertools.product((0, 40, 215, 255), (0, 255))))
def test_a_transparent_background_is_background_whatever_colour_it_hides(
    read, expected, grey, hidden
):
    alpha = draw_seven()
    colour = Image.composite(
        Image.new("L", alpha.size, grey), Image.new("L", alpha.size, hidden), alpha
    )
    assert_alike(read(Image.merge("LA", (colour, alpha))), expected)


@settings(max_examples=15, deadline=None)
@given(
    strategies.tuples(*[strategies.integers(60, 300)] * 2),
    strategies.floats(0.05, 0.4),
    strategies.floats(0.05, 0.4),
)
def test_size_and_place_on_the_paper_do_not_matter(tmp_path_factory, size, left, top):
    pixels = 50
    paper = Image.new("L", size, 255)
    seven = draw_seven((pixels, pixels), (0.1, 0.1, 0.7, 0.9), ink=0, paper=255)
    room = (size[0] - pixels - 4, size[1] - pixels - 4)
    paper.paste(seven, (2 + int(left * room[0]), 2 + int(top * room[1])))
    path = tmp_path_factory.mktemp("pictures") / "picture.png"
    paper.save(path)
    expected_paper = Image.new("L", (60, 60), 255)
    expected_paper.paste(seven, (5, 5))
    expected_paper.save(path.with_name("expected.png"))
    np.testing.assert_array_equal(
        read_picture(path, "mnist"), read_picture(path.with_name("expected.png"), "mnist")
    )


@pytest.mark.parametrize("scale", [0.5, 2, 7])
def test_resolution_does_not_matter(read, expected, scale):
    assert_alike(read(draw_seven((round(120 * scale),) * 2)), expected)


@pytest.mark.parametrize(
    "box", [(0.3, 0.2, 0.7, 0.8), (0.1, 0.4, 0.9, 0.7), (0.45, 0.1, 0.5, 0.9), (0.1, 0.1, 0.9, 0.9)]
)
def test_a_digit_is_twenty_pixels_long_with_its_centre_of_mass_in_the_middle(read, box):
    image = read(draw_seven(box=box))[..., 0]
    rows, columns = (np.flatnonzero(image.max(axis) > 25) for axis in (1, 0))
    sides = [positions[-1] - positions[0] + 1 for positions in (rows, columns)]
    assert 18 <= max(sides) <= 20
    assert image.max() == 255
    for axis in (0, 1):
        centre = (image.sum(1 - axis) * np.arange(28)).sum() / image.sum()
        assert abs(centre - 14) <= 0.51 or image.take(0, axis).any() or image.take(-1, axis).any()


def test_a_garment_fills_the_image_and_keeps_its_proportions(read):
    picture = Image.new("L", (100, 200), 255)
    ImageDraw.Draw(picture).rectangle((30, 20, 69, 179), fill=60)
    image = read(picture, dataset="fashion_mnist")[..., 0]
    assert (image > 200).sum() == 28 * 7  # a rectangle of 160 by 40 pixels
    assert (image[:, 10:17] > 200).all()


@pytest.mark.parametrize("orientation", [3, 6, 8])
def test_the_orientation_that_a_camera_recorded_is_respected(read, expected, orientation):
    turn = {3: Image.Transpose.ROTATE_180, 6: Image.Transpose.ROTATE_90}
    turned = draw_seven().transpose(turn.get(orientation, Image.Transpose.ROTATE_270))
    exif = Image.Exif()
    exif[0x0112] = orientation
    assert_alike(read(turned, "picture.jpg", exif=exif, quality=95), expected)
    assert difference(read(turned, "plain.jpg"), expected) > 0.5


@pytest.mark.parametrize(
    "picture",
    [
        Image.new("L", (40, 40), 255),
        Image.new("RGBA", (40, 40), (0, 0, 0, 0)),
        Image.new("RGB", (1, 1)),
        Image.linear_gradient("L").point(lambda level: 128 + level // 64),
    ],
    ids=["white", "transparent", "one pixel", "hardly any contrast"],
)
def test_the_error_of_a_blank_picture_is_one_line(read, picture):
    with pytest.raises(UserError, match=r"^.*picture\.png is blank: .*$"):
        read(picture)


def test_the_error_of_a_file_that_is_not_a_picture_is_one_line(tmp_path):
    (tmp_path / "text.png").write_text("a sentence")
    (tmp_path / "empty.png").touch()
    (tmp_path / "folder.png").mkdir()
    for name in ("text.png", "empty.png", "folder.png"):
        with pytest.raises(UserError, match=rf"^.*{name} cannot be read.*: .*$"):
            read_picture(tmp_path / name, "mnist")
    with pytest.raises(UserError, match=r"^There is no file .*missing\.png\.$"):
        read_picture(tmp_path / "missing.png", "mnist")


@pytest.mark.parametrize("kind", ["eps", "dds", "ppm", "ico", "tga", "pcx"])
def test_a_picture_in_any_other_format_is_refused_whatever_its_name(read, kind, monkeypatch):
    monkeypatch.setattr("subprocess.check_call", lambda *_, **__: pytest.fail("started a program"))
    advice = "give a PNG, JPEG, WebP, GIF, BMP or TIFF file"
    with pytest.raises(UserError, match=rf"photo\.jpg cannot be read as an image: {advice}\.$"):
        read(draw_seven((60, 60)).convert("RGB"), "photo.jpg", format=kind)


def test_a_picture_of_too_many_pixels_is_refused_by_its_header(read, tmp_path):
    def chunk(name, content):
        return (
            struct.pack(">I", len(content))
            + name
            + content
            + struct.pack(">I", zlib.crc32(name + content))
        )

    for width in (
        MOST_PIXELS // 8192 + 1,
        2**20,
        2**31 - 1,
    ):  # the last two are too many for Pillow
        header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, 8192, 8, 6, 0, 0, 0))
        (tmp_path / "large.png").write_bytes(b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", b""))
        with pytest.raises(
            UserError, match=r"large\.png has more than 67,108,864 pixels: make it smaller\.$"
        ):
            read_picture(tmp_path / "large.png", "mnist")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs FIFOs")
def test_what_is_no_regular_file_is_refused_at_once(tmp_path):
    os.mkfifo(tmp_path / "fifo.png")
    for path in (tmp_path / "fifo.png", Path("/dev/zero")):
        with pytest.raises(UserError, match=r"cannot be read: it is not a regular file\.$"):
            read_picture(path, "mnist")


def test_the_error_of_a_path_that_cannot_be_opened_says_why(tmp_path):
    with pytest.raises(UserError, match=r"\.png cannot be read: File name too long\.$"):
        read_picture(tmp_path / f"{'a' * 300}.png", "mnist")


@settings(max_examples=60, deadline=None)
@given(
    strategies.sampled_from(("png", "jpg", "gif", "bmp", "tiff", "webp")),
    strategies.sampled_from(("mnist", "cifar10")),
    strategies.floats(0, 1, exclude_max=True),
    strategies.binary(max_size=4),
)
def test_a_damaged_picture_is_read_or_refused_in_one_line(
    tmp_path_factory, kind, dataset, position, replacement
):
    path = tmp_path_factory.mktemp("pictures") / f"picture.{kind}"
    draw_seven((60, 60)).save(path)
    content = path.read_bytes()
    cut = int(position * len(content))
    # Without a replacement, the file is truncated; else a few bytes are overwritten.
    rest = content[cut + len(replacement) :] if replacement else b""
    path.write_bytes(content[:cut] + replacement + rest)
    try:
        image = read_picture(path, dataset)
    except UserError as error:
        assert "\n" not in str(error)
    else:
        assert image.shape == CATALOG[dataset].image_shape


def test_what_is_odd_in_a_picture_is_not_printed(tmp_path):
    """In a process of its own, since pytest takes back the filters of warnings after collection."""
    path = tmp_path / "picture.tiff"
    draw_seven((60, 60)).save(path)
    content = path.read_bytes()
    path.write_bytes(content[:5] + b"\xff" + content[6:])  # the directory is beyond the end
    read = f"from jaxdl.data.pictures import read_picture; read_picture({str(path)!r}, 'cifar10')"
    done = subprocess.run([sys.executable, "-c", read], capture_output=True, text=True)
    assert "cannot be read as an image" in done.stderr and "Warning" not in done.stderr


def test_the_error_of_a_broken_chunk_is_one_line(tmp_path):
    Image.effect_noise((400, 400), 100).save(tmp_path / "picture.png")
    before, name, after = (tmp_path / "picture.png").read_bytes().rpartition(b"IDAT")
    assert name in before
    (tmp_path / "picture.png").write_bytes(before + b"\x00DAT" + after)
    with pytest.raises(UserError, match=r"picture\.png cannot be read as an image: .*$"):
        read_picture(tmp_path / "picture.png", "mnist")


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "P", "L"])
def test_a_photograph_keeps_its_middle_and_its_colours(read, mode):
    picture = Image.new("RGB", (200, 100), "red")
    picture.paste((0, 0, 255), (50, 0, 150, 100))
    image = read(convert(picture, mode), dataset="cifar10")
    assert (image.shape, image.dtype) == ((32, 32, 3), np.uint8)
    blue = (0, 0, 255) if mode != "L" else (29, 29, 29)
    np.testing.assert_array_equal(image, np.broadcast_to(blue, image.shape))


def test_a_photograph_of_16_bits_keeps_its_levels_and_a_transparent_one_is_white(read):
    levels = np.tile(np.linspace(0, 65535, 32).astype(np.uint16), (32, 1))
    image = read(Image.fromarray(levels), dataset="cifar10")
    np.testing.assert_allclose(image[0, :, 0], np.linspace(0, 255, 32), atol=1)
    assert (read(Image.new("RGBA", (40, 40), (9, 9, 9, 0)), dataset="cifar10") == 255).all()


@pytest.mark.parametrize("mode", ["L", "1", "P", "LAB", "I;16"])
def test_a_large_picture_of_any_mode_is_averaged(tmp_path, mode):
    squares = (np.indices((1536, 1536)).sum(0) % 2 * 255).astype(np.uint8)
    picture = Image.fromarray(squares)
    if mode == "LAB":
        picture = Image.merge("LAB", [picture, *[Image.new("L", picture.size, 128)] * 2])
    else:
        picture = convert(picture, mode)
    picture.save(tmp_path / "picture.tif")
    image = read_photograph(tmp_path / "picture.tif", 16)
    assert np.abs(image[1:-1, 1:-1].astype(float) - 127.5).max() < 3


def test_a_photograph_may_have_only_one_colour(read):
    image = read(Image.new("RGB", (40, 40), "white"), dataset="cifar100")
    assert (image == 255).all()


@pytest.mark.parametrize("level", [np.nan, np.inf, -np.inf])
def test_a_pixel_that_is_not_a_number_is_one_line(tmp_path, level):
    levels = np.full((9, 9), 0.5, np.float32)
    levels[3, 3] = level
    Image.fromarray(levels).save(tmp_path / "picture.tiff")
    with pytest.raises(UserError, match=r"picture\.tiff cannot be read as an image: give .*\.$"):
        read_photograph(tmp_path / "picture.tiff", 9)


def test_levels_below_black_are_black(tmp_path):
    levels = np.zeros((9, 9), np.float32)
    levels[3, 3], levels[5, 5] = -5.0, 1.0
    Image.fromarray(levels).save(tmp_path / "picture.tiff")
    image = read_photograph(tmp_path / "picture.tiff", 9)
    assert image[3, 3].tolist() == [0, 0, 0]
    assert image[5, 5].tolist() == [255, 255, 255]
