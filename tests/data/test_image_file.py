"""One image file: the rules, and that no part of a file ever passes for the whole."""

import io
import logging
import os
import warnings

import numpy as np
import pytest
from PIL import Image, ImageFile

from chainrule.data.image_file import BadImageError, decoding, open_image

Y, X = np.mgrid[:12, :17]
RGB = (np.stack([X * 13, Y * 19, (X + Y) * 7], -1) + np.random.default_rng(0).integers(0, 9, (12, 17, 3))).astype(
    np.uint8
)
GREY = RGB[..., 0]


def encoded(pixels, kind, **options):
    image = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)
    content = io.BytesIO()
    image.save(content, kind, **options)
    return content.getvalue()


def opened(data, background=0):
    with decoding():
        image, rules = open_image(data, background)
    return np.asarray(image), rules


FORMS = {
    "png": encoded(RGB, "PNG"),
    "jpeg": encoded(RGB, "JPEG"),
    "jpeg progressive": encoded(RGB, "JPEG", progressive=True),
    "jpeg cmyk": encoded(Image.fromarray(RGB).convert("CMYK"), "JPEG"),
    "bmp": encoded(RGB, "BMP"),
    "gif": encoded(RGB, "GIF"),
    "gif interlaced": encoded(RGB, "GIF", interlace=1),
    "gif animated": encoded(RGB, "GIF", save_all=True, append_images=[Image.fromarray(255 - RGB)]),
    "webp": encoded(RGB, "WEBP"),
    "webp lossless": encoded(RGB, "WEBP", lossless=True),
    "tiff": encoded(RGB, "TIFF"),
    "tiff lzw": encoded(RGB, "TIFF", compression="tiff_lzw"),
    "tiff deflate": encoded(RGB, "TIFF", compression="tiff_adobe_deflate"),
    "ppm": encoded(RGB, "PPM"),
    "png 16": encoded((GREY.astype(np.uint16) * 257), "PNG"),
    "tiff 16": encoded((GREY.astype(np.uint16) * 257), "TIFF"),
}


@pytest.mark.parametrize("form", FORMS)
def test_no_part_of_a_file_gives_other_pixels_than_the_whole(form, capfd):
    data = FORMS[form]
    whole, _ = opened(data)
    for length in range(len(data)):
        try:
            part, _ = opened(data[:length])
        except BadImageError:
            continue
        np.testing.assert_array_equal(part, whole)  # only bytes after the first frame were missing
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("form", ["png", "png 16"])
def test_no_changed_byte_of_a_png_passes_unseen(form):
    data = FORMS[form]
    whole, _ = opened(data)
    for position in range(8, len(data)):
        try:
            other, _ = opened(data[:position] + bytes([data[position] ^ 0x10]) + data[position + 1 :])
        except BadImageError:
            continue
        np.testing.assert_array_equal(other, whole)


@pytest.mark.parametrize("form", FORMS)
def test_changed_bytes_give_one_kind_of_error_and_no_noise(form, capfd):
    data, rng = FORMS[form], np.random.default_rng(1)
    for _ in range(150):
        mutant = bytearray(data)
        for position in rng.integers(0, len(data), rng.integers(1, 5)):
            mutant[position] = rng.integers(0, 256)
        try:
            pixels, _ = opened(bytes(mutant))
        except BadImageError:
            continue
        assert pixels.dtype == np.uint8
    assert capfd.readouterr() == ("", "")


def test_exact_forms_keep_their_pixels():
    for form in ("png", "bmp", "webp lossless", "tiff", "tiff lzw", "tiff deflate", "ppm"):
        pixels, rules = opened(FORMS[form])
        np.testing.assert_array_equal(pixels, RGB)
        assert rules == ()


def test_sixteen_bits_become_eight():
    levels = np.array([[0, 1, 256, 257, 65534, 65535]], np.uint16)
    for kind in ("PNG", "TIFF", "PPM"):
        pixels, rules = opened(encoded(levels, kind))
        assert pixels.tolist() == [[0, 0, 0, 1, 254, 255]]
        assert rules == ("16 bits made 8",)


def test_transparency_is_laid_over_the_background():
    rgba = np.dstack([RGB, np.full(GREY.shape, 255, np.uint8)])
    rgba[:, :5, 3] = 0
    rgba[:, 5:8, 3] = 128
    for background in (0, 255):
        pixels, rules = opened(encoded(rgba, "PNG"), background)
        assert (pixels[:, :5] == background).all()
        half = RGB[:, 5:8] * (128 / 255) + background * (127 / 255)
        assert np.abs(pixels[:, 5:8] - half).max() <= 1
        np.testing.assert_array_equal(pixels[:, 8:], RGB[:, 8:])
        assert rules == ("transparency laid over the background",)
    grey_alpha = Image.merge("LA", [Image.fromarray(GREY), Image.fromarray(rgba[..., 3])])
    pixels, _ = opened(encoded(grey_alpha, "PNG"))
    assert pixels.shape == GREY.shape
    np.testing.assert_array_equal(pixels[:, 8:], GREY[:, 8:])


def test_palettes_become_colours_or_grey():
    few = Image.fromarray(RGB & 0xC0).quantize(32)
    pixels, rules = opened(encoded(few, "PNG"))
    np.testing.assert_array_equal(pixels, np.asarray(few.convert("RGB")))
    assert rules == ("palette made colours",)
    grey = Image.fromarray(GREY & 0xE0).quantize(8)
    pixels, _ = opened(encoded(grey, "PNG"))
    np.testing.assert_array_equal(pixels, GREY & 0xE0)


def test_one_bit_images_are_black_and_white():
    pixels, _ = opened(encoded(Image.fromarray(GREY).convert("1"), "PNG"))
    assert set(np.unique(pixels)) == {0, 255}


def test_the_first_frame_counts():
    frames = [Image.fromarray(np.full((4, 5), level, np.uint8)) for level in (30, 200, 90)]
    for kind in ("GIF", "WEBP", "TIFF", "PNG"):
        options = {"lossless": True} if kind == "WEBP" else {}
        pixels, rules = opened(encoded(frames[0], kind, save_all=True, append_images=frames[1:], **options))
        assert (pixels == 30).all()
        assert "first of several frames" in rules


@pytest.mark.parametrize("orientation", range(2, 9))
def test_exif_orientation_is_applied(orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    pixels, rules = opened(encoded(RGB, "PNG", exif=exif))
    expected = {2: RGB[:, ::-1], 3: RGB[::-1, ::-1], 4: RGB[::-1], 5: RGB.transpose(1, 0, 2)}
    expected |= {6: np.rot90(RGB, -1), 7: np.rot90(RGB, 2).transpose(1, 0, 2), 8: np.rot90(RGB)}
    np.testing.assert_array_equal(pixels, expected[orientation])
    assert rules == ("turned by its EXIF orientation",)


def test_a_thumbnails_end_marker_is_not_the_images():
    thumbnail = encoded(RGB, "JPEG")
    data = FORMS["jpeg"]
    comment = b"\xff\xe1" + (len(thumbnail) + 2).to_bytes(2, "big") + thumbnail
    whole = data[:2] + comment + data[2:]
    opened(whole)
    opened(whole + b"more after the end")
    with pytest.raises(BadImageError, match="truncated JPEG: no end marker"):
        opened(whole[:-2])


NO_IMAGES = {
    b"": "empty file",
    b"hello\n": "not an image: text",
    b"<!DOCTYPE html>": "not an image: an HTML page",
    b"<?xml version='1.0'?><svg/>": "not an image: XML or SVG",
    b"%PDF-1.4": "not an image: a PDF document",
    b"P3\n1 1\n255\n1 2 3\n": "not an image: text",
    b"SIMPLE  =    T": "not an image: a FITS file",
    bytes(100): "not an image: zeros",
    b"\0\0\0\x18ftypavif": "not among PNG",
    b"\x93\x01\x02": "unknown content",
    b"RIFF\0\0\0\0WAVE": "unknown content",
    FORMS["png"][:8]: "truncated PNG",
    FORMS["png"][:-12]: "truncated PNG: no end chunk",
    FORMS["jpeg"][:3] + b"\0": "truncated JPEG",
}


@pytest.mark.parametrize("data", NO_IMAGES, ids=list(NO_IMAGES.values()))
def test_what_is_no_image_is_named(data):
    with pytest.raises(BadImageError, match=NO_IMAGES[data]):
        opened(data)


def test_floats_and_wide_integers_are_refused():
    with pytest.raises(BadImageError, match="floating-point"):
        opened(encoded(GREY.astype(np.float32), "TIFF"))
    with pytest.raises(BadImageError, match="more than 16 bits"):
        opened(encoded(GREY.astype(np.int32) * 10**6, "TIFF"))
    with pytest.raises(BadImageError, match="JPEG inside of TIFF"):
        opened(encoded(RGB, "TIFF", compression="jpeg"))


def test_settings_of_others_are_overruled_and_restored(monkeypatch):
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)
    level = logging.getLogger("PIL").level
    with pytest.raises(BadImageError):
        opened(FORMS["bmp"][:-50])
    assert ImageFile.LOAD_TRUNCATED_IMAGES is True
    assert logging.getLogger("PIL").level == level


def test_no_warning_leaves(recwarn):
    warnings.simplefilter("always")
    Image.MAX_IMAGE_PIXELS, before = 100, Image.MAX_IMAGE_PIXELS
    try:
        opened(encoded(RGB[:, :10], "PNG"))  # 120 pixels: Pillow would warn
        with pytest.raises(BadImageError, match="decompression bomb"):
            opened(encoded(RGB, "PNG"))  # 204: Pillow refuses
    finally:
        Image.MAX_IMAGE_PIXELS = before
    assert not recwarn.list


def test_standard_error_is_back_after_a_tiff(capfd):
    opened(FORMS["tiff"])
    os.write(2, b"here")
    assert capfd.readouterr().err == "here"
